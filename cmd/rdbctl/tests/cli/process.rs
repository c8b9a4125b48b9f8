//! Process: runs the binary, and nodes that always say the same.

#![allow(unreachable_pub, reason = "pub reads as 'for the tests' here")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

/// An address that nobody listens on.
pub fn nobody() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

/// The binary, without the environment's settings.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbctl"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RDBCTL_")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts it.
pub fn started(args: &[&str]) -> Child {
    command(args).spawn().expect("the binary is built with the test")
}

/// Runs it with `stdin`.
fn rdbctl(args: &[&str], stdin: &[u8]) -> Output {
    let mut child = started(args);
    // Who does not read stdin may be gone already.
    let _closed = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

/// Code, stdout and stderr of a run.
pub fn ran(args: &[&str], stdin: &[u8]) -> (i32, String, String) {
    let output = rdbctl(args, stdin);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A node that gives every request this answer. Returns its address.
pub fn node(status: &str, headers: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            read_request(&mut socket);
            let _answered = socket.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

/// Reads to the end of a request: closed with bytes unread, a socket resets the
/// connection, and the answer may be lost.
fn read_request(socket: &mut TcpStream) {
    let mut request = Vec::new();
    let mut some = [0; 16_384];
    while !is_whole(&request) {
        match socket.read(&mut some) {
            Ok(read @ 1..) => request.extend_from_slice(&some[..read]),
            _ => return,
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.is_none_or(|length| body.len() >= length.trim().parse().unwrap())
}

pub fn problem(status: &str, applied: &str, code: &str, retryable: bool) -> String {
    let headers = format!("content-type: application/problem+json\r\nrdb-applied: {applied}\r\n");
    let body = format!(r#"{{"code":"{code}","detail":"no {code}","retryable":{retryable}}}"#);
    node(status, &headers, &body)
}

pub fn row(status: &str, key: &str, value: &str) -> String {
    let headers = "content-type: application/json\r\nrdb-version: 7\r\n";
    let body = format!(r#"{{"collection":"c","key":"{key}","value":"{value}"}}"#);
    node(status, headers, &body)
}
