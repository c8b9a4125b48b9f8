//! Proxy: which requests come through it, and what does it call them?
//!
//! The proxy names every request it passes on, so that it may pass it to
//! another node after a crash and the write still happens once. The name counts
//! only on a connection with the proxy's certificate: from anyone else it would
//! be a way to take another one's id.

use api::RequestId;
use api::service::OutsideId;
use axum::http::{HeaderMap, HeaderName};
use certificates::subject;
use certificates::subject::ROLE_PROXY;
use rustls::ServerConnection;

use crate::header;
use crate::refused::Refused;

/// There if the proxy has passed the request to a node before.
const PROXY_REPEAT: HeaderName = HeaderName::from_static("rdb-proxy-repeat");

/// `<milliseconds since 1970>-<a unique name>`.
const PROXY_REQUEST: HeaderName = HeaderName::from_static("rdb-proxy-request");

/// The longest name: HAProxy's are a time stamp and a UUID.
const NAME_BYTES_MAX: usize = 128;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// It has shown the proxy's certificate.
    pub(crate) is_proxy: bool,
}

impl Caller {
    /// Reads the certificate that the handshake verified, if one was shown.
    pub(crate) fn of(session: &ServerConnection) -> Self {
        let leaf = session.peer_certificates().and_then(<[_]>::first);
        let role = leaf.and_then(|leaf| subject(leaf).ok()).map(|subject| subject.role);
        Self { is_proxy: role.as_deref() == Some(ROLE_PROXY) }
    }

    /// Whether another node may have carried the request out already: the proxy
    /// passed it there, and got no answer.
    pub(crate) fn repeats(self, headers: &HeaderMap) -> bool {
        self.is_proxy && headers.contains_key(PROXY_REPEAT)
    }

    /// What the proxy calls the request, if it comes from the proxy.
    pub(crate) fn request_id(self, headers: &HeaderMap) -> Result<Option<OutsideId>, Refused> {
        if !self.is_proxy {
            return Ok(None);
        }
        let Some(name) = header::single(headers, &PROXY_REQUEST)? else { return Ok(None) };
        let name = name.as_bytes();
        let sent_at_ms = (name.len() <= NAME_BYTES_MAX).then(|| sent_at_ms(name)).flatten();
        let Some(sent_at_ms) = sent_at_ms else {
            return Err(Refused::bad_request(
                "header Rdb-Proxy-Request must be milliseconds since 1970, a dash and a unique \
                 name: correct the proxy's configuration",
            ));
        };
        Ok(Some(OutsideId::Proxy { id: RequestId::from_proxy(name), sent_at_ms }))
    }
}

fn sent_at_ms(name: &[u8]) -> Option<u64> {
    let (time, unique) = std::str::from_utf8(name).ok()?.split_once('-')?;
    if unique.is_empty() {
        return None;
    }
    time.parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use fuzz::{Taken, Target};

    use super::*;

    fn read(is_proxy: bool, name: &'static str) -> Result<Option<OutsideId>, Refused> {
        let mut headers = HeaderMap::new();
        headers.insert(PROXY_REQUEST, HeaderValue::from_static(name));
        Caller { is_proxy }.request_id(&headers)
    }

    #[test]
    fn the_proxys_name_counts_on_its_own_connection_only() {
        let name = "1700000000123-6b5b9e4c";
        let id = RequestId::from_proxy(name.as_bytes());
        let expected = OutsideId::Proxy { id, sent_at_ms: 1_700_000_000_123 };
        assert_eq!(read(true, name), Ok(Some(expected)));
        assert_eq!(read(false, name), Ok(None));
        assert_eq!(read(false, "rubbish"), Ok(None));
        assert_eq!(Caller { is_proxy: true }.request_id(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn a_name_without_a_time_is_refused() {
        for bad in ["", "-", "12", "12-", "x-1", "-5-a", "99999999999999999999999-a"] {
            assert!(read(true, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn fuzz_proxy_names() {
        let seeds = ["1700000000123-6b5b9e4c", "0-a"];
        Target::new("proxy names", seeds).words(["-", "18446744073709551616"]).run(|input| {
            let Ok(name) = HeaderValue::from_bytes(input.bytes) else {
                return Taken::refused("no header");
            };
            let mut headers = HeaderMap::new();
            headers.insert(PROXY_REQUEST, name);
            match input.decode(|_| Caller { is_proxy: true }.request_id(&headers)) {
                Ok(Some(OutsideId::Proxy { sent_at_ms, .. })) => {
                    let name = str::from_utf8(input.bytes).unwrap();
                    let (time, unique) = name.split_once('-').unwrap();
                    assert_eq!((time.parse(), unique.is_empty()), (Ok(sent_at_ms), false));
                    Taken::Read
                }
                Ok(other) => panic!("{other:?}"),
                Err(refused) => Taken::refused(refused.text),
            }
        });
    }
}
