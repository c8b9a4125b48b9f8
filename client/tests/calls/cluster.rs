//! Cluster: several doors to one node in memory, and a way to lose answers.

#![allow(unreachable_pub, reason = "pub reads as 'for the tests' here")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use client::{Builder, Client};
use server::{Options, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fake::Fake;

/// Doors that lead to the same rows.
pub struct Cluster {
    pub fake: Arc<Fake>,
    pub doors: Vec<SocketAddr>,
    stops: Vec<CancellationToken>,
    _end: Vec<DropGuard>,
}

impl Cluster {
    pub async fn start(doors: usize) -> Self {
        let fake = Arc::new(Fake::default());
        let mut cluster = Self { fake, doors: vec![], stops: vec![], _end: vec![] };
        for n in 0..doors {
            let options = Options::new(format!("n{n}"));
            let server = Server::new(Arc::clone(&cluster.fake), options).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            cluster.doors.push(listener.local_addr().unwrap());
            let stop = CancellationToken::new();
            cluster._end.push(stop.clone().drop_guard());
            cluster.stops.push(stop.clone());
            tokio::spawn(async move { server.run(listener, None, stop).await });
        }
        cluster
    }

    /// Stops one door and waits until it is closed.
    pub async fn close(&self, door: usize) {
        self.stops[door].cancel();
        while TcpStream::connect(self.doors[door]).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    pub fn builder(&self) -> Builder {
        builder(&self.doors)
    }

    pub fn client(&self) -> Client {
        self.builder().build().unwrap()
    }
}

pub fn builder(addresses: &[SocketAddr]) -> Builder {
    Client::builder().endpoints(addresses.iter().map(|address| format!("http://{address}")))
}

/// What stands between client and door and loses answers.
pub struct Thief {
    pub address: SocketAddr,
    pub stolen: Arc<AtomicUsize>,
}

impl Thief {
    /// Passes requests on to `door` and swallows the first `steals` answers.
    pub async fn before(door: SocketAddr, steals: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stolen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&stolen);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(door).await.unwrap();
                    pass(&mut near, &mut far, &count, steals).await
                });
            }
        });
        Self { address, stolen }
    }
}

async fn pass(
    near: &mut TcpStream,
    far: &mut TcpStream,
    stolen: &AtomicUsize,
    steals: usize,
) -> Option<()> {
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            read = near.read(&mut up) => match read.ok()? {
                0 => return None,
                read => far.write_all(&up[..read]).await.ok()?,
            },
            read = far.read(&mut down) => match read.ok()? {
                0 => return None,
                _ if stolen.load(Ordering::SeqCst) < steals => {
                    stolen.fetch_add(1, Ordering::SeqCst);
                    return None;
                }
                read => near.write_all(&down[..read]).await.ok()?,
            },
        }
    }
}

/// Answers every request with these bytes.
pub async fn impostor(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _request = socket.read(&mut buffer).await;
            let _answered = socket.write_all(answer.as_bytes()).await;
        }
    });
    address
}

/// An address that nobody listens on.
pub async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
