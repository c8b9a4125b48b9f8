//! Admission: is there room for one more connection, request or body?
//!
//! Every place is a value that gives itself back when it is dropped. A full
//! house refuses at once; nobody waits silently.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The prefix of an IPv6 address that one household or host commonly has.
const IPV6_PEER_MASK: u128 = !0 << 64;

/// Places for connections: so many in all, so many per peer.
#[derive(Debug)]
pub(crate) struct Seats {
    most: usize,
    most_per_peer: usize,
    /// Held for a look-up only, never across an await.
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// One connection's place.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    peer: IpAddr,
}

/// Why there is no place for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSeat {
    /// All places are taken.
    Full,
    /// This peer has as many as it may have.
    PeerFull,
}

impl Seats {
    pub(crate) fn new(most: usize, most_per_peer: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_peer, taken: Mutex::default() })
    }

    /// Takes a place for a connection from `address`.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Seat, NoSeat> {
        let peer = peer_of(address);
        let mut taken = self.taken.lock();
        if taken.all >= self.most {
            return Err(NoSeat::Full);
        }
        let of_peer = taken.by_peer.entry(peer).or_insert(0);
        if *of_peer >= self.most_per_peer {
            return Err(NoSeat::PeerFull);
        }
        *of_peer += 1;
        taken.all += 1;
        Ok(Seat { seats: Arc::clone(self), peer })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock();
        taken.all -= 1;
        if let Some(of_peer) = taken.by_peer.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                taken.by_peer.remove(&self.peer);
            }
        }
    }
}

/// Whom an address counts for: whoever has one IPv6 address has a whole /64.
fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & IPV6_PEER_MASK)),
    }
}

/// Bytes of bodies that may be in memory at once: of requests, or of answers.
#[derive(Clone, Debug)]
pub(crate) struct BodyBytes(Arc<Semaphore>);

/// The bytes that one body occupies.
#[derive(Debug, Default)]
pub(crate) struct BodyHold(Option<OwnedSemaphorePermit>);

impl BodyBytes {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Adds `bytes` to what `hold` occupies, if there is room.
    pub(crate) fn grow(&self, hold: &mut BodyHold, bytes: usize) -> bool {
        let Ok(bytes) = u32::try_from(bytes) else { return false };
        let Ok(more) = Arc::clone(&self.0).try_acquire_many_owned(bytes) else { return false };
        match &mut hold.0 {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn seats_come_back_when_dropped() {
        let seats = Seats::new(3, 2);
        let first = seats.take(address("10.0.0.1")).unwrap();
        let _second = seats.take(address("10.0.0.1")).unwrap();
        assert_eq!(seats.take(address("10.0.0.1")).unwrap_err(), NoSeat::PeerFull);
        let _third = seats.take(address("10.0.0.2")).unwrap();
        assert_eq!(seats.take(address("10.0.0.3")).unwrap_err(), NoSeat::Full);
        drop(first);
        let _again = seats.take(address("10.0.0.1")).unwrap();
    }

    #[test]
    fn a_peer_is_forgotten_with_its_last_seat() {
        let seats = Seats::new(3, 2);
        drop(seats.take(address("10.0.0.1")).unwrap());
        assert!(seats.taken.lock().by_peer.is_empty());
    }

    #[test]
    fn one_ipv6_network_is_one_peer() {
        assert_eq!(peer_of(address("2001:db8::1")), peer_of(address("2001:db8::ffff:1")));
        assert_ne!(peer_of(address("2001:db8::1")), peer_of(address("2001:db8:0:1::1")));
        assert_eq!(peer_of(address("::ffff:10.0.0.1")), address("10.0.0.1"));
    }

    #[test]
    fn body_bytes_come_back_when_dropped() {
        let bytes = BodyBytes::new(10);
        let mut hold = BodyHold::default();
        assert!(bytes.grow(&mut hold, 4));
        assert!(bytes.grow(&mut hold, 6));
        assert!(!bytes.grow(&mut hold, 1));
        drop(hold);
        assert!(bytes.grow(&mut BodyHold::default(), 10));
    }
}
