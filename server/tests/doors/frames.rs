//! Frames: HTTP/2 of which the test decides about every byte.

#![allow(unreachable_pub, reason = "pub reads as 'for the tests' here")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::Node;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// The setting of how much a stream may send before it is told to go on.
pub const INITIAL_WINDOW_SIZE: u16 = 4;

/// The code of a stream that was not looked at.
pub const REFUSED_STREAM: u32 = 7;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server sent.
#[derive(Debug, Default)]
pub struct Heard {
    /// Frames by kind.
    pub frames: BTreeMap<u8, usize>,
    /// Codes of streams it ended.
    pub resets: Vec<u32>,
    /// The first byte of each answer's head: a status of the static table.
    pub statuses: Vec<u8>,
    /// The code with which it said good-bye.
    pub goaway: Option<u32>,
}

/// A TLS connection that speaks HTTP/2 frame by frame.
pub struct Http2 {
    writing: WriteHalf<TlsStream<TcpStream>>,
    pub heard: Arc<Mutex<Heard>>,
    reading: JoinHandle<()>,
}

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A settings frame.
pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let fields = settings
        .iter()
        .map(|(name, value)| [name.to_be_bytes().as_slice(), &value.to_be_bytes()].concat());
    frame(SETTINGS, 0, 0, &fields.collect::<Vec<_>>().concat())
}

/// The head of a `POST /command`, compressed not at all.
pub fn head() -> Vec<u8> {
    let mut block = vec![0x83, 0x87]; // :method POST, :scheme https
    block.extend(literal(0x04, "/command")); // :path
    block.extend(literal(0x01, "localhost")); // :authority
    block
}

/// A field that stands in the static table by name, with this value.
fn literal(index: u8, value: &str) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap();
    [&[index, length][..], value.as_bytes()].concat()
}

/// A field nobody knows.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    [vec![0], literal(0, name)[1..].to_vec(), literal(0, value)[1..].to_vec()].concat()
}

/// A whole request.
pub fn request(stream: u32, body: &str) -> Vec<u8> {
    [frame(HEADERS, END_HEADERS, stream, &head()), frame(DATA, END_STREAM, stream, body.as_bytes())]
        .concat()
}

impl Http2 {
    /// Shakes hands, says hello and sends these settings.
    pub async fn open(node: &Node, folder: &Path, sent: &[(u16, u32)]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.join("chain.pem")).unwrap()).unwrap();
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, node.connect().await).await.unwrap();
        let (reading, writing) = tokio::io::split(stream);
        let heard = Arc::new(Mutex::new(Heard::default()));
        let reading = tokio::spawn(listen(reading, Arc::clone(&heard)));
        let mut this = Self { writing, heard, reading };
        assert!(this.send(&[PREFACE, &settings(sent)].concat()).await);
        this
    }

    /// Sends bytes; whether the server still takes any.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = async {
            self.writing.write_all(bytes).await?;
            self.writing.flush().await
        };
        matches!(timeout(PATIENCE, sent).await, Ok(Ok(()))) && !self.reading.is_finished()
    }

    /// Sends the same until the server has enough; how often.
    pub async fn flood(&mut self, bytes: &[u8], most: usize) -> usize {
        for sent in 0..most {
            if !self.send(bytes).await {
                return sent;
            }
        }
        most
    }

    /// Waits until the server closes, at most so long; whether it did.
    pub async fn closes_within(&mut self, limit: Duration) -> bool {
        timeout(limit, &mut self.reading).await.is_ok()
    }

    /// Waits until `enough` was heard.
    pub async fn hears(&self, what: &str, enough: impl Fn(&Heard) -> bool) {
        let waiting = async {
            while !enough(&self.heard.lock()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("{what}: {:?}", self.heard.lock()));
    }
}

/// Reads frames to the end, and keeps nothing of them but what is counted.
async fn listen(mut stream: ReadHalf<TlsStream<TcpStream>>, heard: Arc<Mutex<Heard>>) {
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        if stream.read_exact(&mut payload).await.is_err() {
            return;
        }
        let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        let mut heard = heard.lock();
        *heard.frames.entry(head[3]).or_default() += 1;
        match head[3] {
            HEADERS => heard.statuses.push(payload[0]),
            RST_STREAM => heard.resets.push(code(0)),
            GOAWAY => heard.goaway = Some(code(4)),
            _ => {}
        }
    }
}
