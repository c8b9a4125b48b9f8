//! Header: which headers of ours are there, and what may stand in them?

use std::time::Duration;

use api::RequestId;
use api::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::refused::Refused;

/// The row's version after the request, or the one that was removed; 0 if there is
/// and was no row.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("rdb-version");
/// The row's shard.
pub(crate) const SHARD: HeaderName = HeaderName::from_static("rdb-shard");
/// The shard's group.
pub(crate) const GROUP: HeaderName = HeaderName::from_static("rdb-group");
/// The node that leads the group, as far as the answering node knows.
pub(crate) const LEADER: HeaderName = HeaderName::from_static("rdb-leader");
/// The node that answers.
pub(crate) const SERVED_BY: HeaderName = HeaderName::from_static("rdb-served-by");
/// `true`: the request had run before; this is that answer again.
pub(crate) const REPLAY: HeaderName = HeaderName::from_static("rdb-replay");
/// `omitted`: there was a value, too long to be kept for replays.
pub(crate) const REPLAY_VALUE: HeaderName = HeaderName::from_static("rdb-replay-value");
/// `not-text`: there is a value, of bytes that JSON cannot show.
pub(crate) const VALUE: HeaderName = HeaderName::from_static("rdb-value");
/// Whether a failed request took effect: `no` or `unknown`.
pub(crate) const APPLIED: HeaderName = HeaderName::from_static("rdb-applied");
/// How long the client waits, in milliseconds.
pub(crate) const TIMEOUT_MS: HeaderName = HeaderName::from_static("rdb-timeout-ms");
/// Names the client's request, so that retries are safe.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Whatever a client or proxy calls the request; echoed.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest `X-Request-Id` that is echoed.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// The type of a problem body (RFC 9457).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// The request id behind `Idempotency-Key`, if there is one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<RequestId>, Refused> {
    let Some(key) = single(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    let key = key.as_bytes();
    let long_enough = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len());
    if !long_enough || !key.iter().all(u8::is_ascii_graphic) {
        return Err(Refused::bad_request(format!(
            "header Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_BYTES_MAX} \
             visible ASCII characters"
        )));
    }
    Ok(Some(RequestId::from_idempotency_key(key)))
}

/// How long the request may take: what the client asks for, at most `most`.
pub(crate) fn timeout(headers: &HeaderMap, most: Duration) -> Result<Duration, Refused> {
    let Some(asked) = single(headers, &TIMEOUT_MS)? else { return Ok(most) };
    let millis = asked.to_str().ok().and_then(|text| text.parse::<u64>().ok());
    match millis {
        Some(millis) if millis > 0 => Ok(most.min(Duration::from_millis(millis))),
        _ => Err(Refused::bad_request("header Rdb-Timeout-Ms must be a whole number above 0")),
    }
}

/// A header that may be given once: two values would let two readers disagree.
pub(crate) fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, Refused> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Refused::bad_request(format!("header {name} is given twice")));
    }
    Ok(first)
}

/// Whether failures are wanted as problem bodies.
pub(crate) fn accepts_problem(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|media_type| media_type.trim().eq_ignore_ascii_case(PROBLEM_JSON))
}

/// The client's own id of the request, if it is fit to be echoed.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let fit = (1..=REQUEST_ID_BYTES_MAX).contains(&id.len());
    (fit && id.as_bytes().iter().all(u8::is_ascii_graphic)).then(|| id.clone())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use fuzz::{Taken, Target};

    use super::*;

    fn headers(pairs: &[(&HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn idempotency_keys_are_short_visible_and_single() {
        let read = |value: &str| idempotency_key(&headers(&[(&IDEMPOTENCY_KEY, value)]));
        let id = RequestId::from_idempotency_key(b"order-1");
        assert_eq!(read("order-1").unwrap(), Some(id));
        assert!(read("").is_err());
        assert!(read("a b").is_err());
        assert!(read("\u{fc}").is_err());
        assert!(read(&"k".repeat(IDEMPOTENCY_KEY_BYTES_MAX)).is_ok());
        assert!(read(&"k".repeat(IDEMPOTENCY_KEY_BYTES_MAX + 1)).is_err());
        let twice = headers(&[(&IDEMPOTENCY_KEY, "a"), (&IDEMPOTENCY_KEY, "a")]);
        assert!(idempotency_key(&twice).is_err());
    }

    #[test]
    fn a_client_may_shorten_the_timeout_only() {
        let most = Duration::from_secs(5);
        let read = |value: &str| timeout(&headers(&[(&TIMEOUT_MS, value)]), most).ok();
        assert_eq!(read("100"), Some(Duration::from_millis(100)));
        assert_eq!(read("99999999"), Some(most));
        for bad in ["0", "-1", "1.5", "soon", "99999999999999999999"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn problems_are_sent_to_who_accepts_them() {
        let accepts = |value: &str| accepts_problem(&headers(&[(&ACCEPT, value)]));
        assert!(accepts("application/json, Application/Problem+JSON;q=0.9"));
        assert!(!accepts("*/*"));
        assert!(!accepts("application/json"));
    }

    /// The headers that are read, one per line: name, colon, value.
    #[test]
    fn fuzz_headers() {
        let seeds = [
            "idempotency-key:order-1\nrdb-timeout-ms:100\n",
            "accept:application/json, application/problem+json;q=0.9\nx-request-id:7\n",
        ];
        let words =
            ["idempotency-key:", "rdb-timeout-ms:", "accept:", "18446744073709551616\n", "0\n"];
        Target::new("headers", seeds).words(words).memory(|bytes| bytes + 4096).run(|input| {
            let Some(headers) = lines(input.bytes) else { return Taken::refused("no headers") };
            let most = Duration::from_secs(5);
            let read = input.decode(|_| {
                let _problem = accepts_problem(&headers);
                let id = request_id(&headers);
                assert!(id.is_none_or(|id| id.as_bytes().iter().all(u8::is_ascii_graphic)));
                let id = idempotency_key(&headers)?;
                Ok::<_, Refused>((id, timeout(&headers, most)?))
            });
            match read {
                Ok((_, time)) => {
                    assert!(!time.is_zero() && time <= most, "{time:?}");
                    Taken::Read
                }
                Err(refused) => {
                    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
                    Taken::refused(refused.text)
                }
            }
        });
    }

    fn lines(bytes: &[u8]) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
            headers.append(name, HeaderValue::from_bytes(line.get(colon + 1..)?).ok()?);
        }
        Some(headers)
    }
}
