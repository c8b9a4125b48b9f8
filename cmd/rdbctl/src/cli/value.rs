//! Value: how is the text of a flag read?

use std::time::Duration;

use api::limits::{IDEMPOTENCY_KEY_BYTES_MAX, VALUE_BYTES_HARD_MAX};

/// An address with its scheme; https unless it says otherwise.
pub(super) fn endpoint(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("an address is empty: give host:port".to_owned()),
        text if text.contains("://") => Ok(text.to_owned()),
        text => Ok(format!("https://{text}")),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let read = || {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(digits);
        let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(*scale)
    };
    match read() {
        Some(0) => Err("no time at all is too little".to_owned()),
        Some(millis) => Ok(Duration::from_millis(millis)),
        None => Err("it is not a duration such as 250ms, 5s, 2m or 1h".to_owned()),
    }
}

pub(super) fn rows(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("no rows at all are too few".to_owned()),
        Ok(rows) => Ok(rows),
        Err(_) => Err("it is not a whole number".to_owned()),
    }
}

pub(super) fn bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if (1..=VALUE_BYTES_HARD_MAX).contains(&bytes) => Ok(bytes),
        _ => Err(format!("it is not 1 to {VALUE_BYTES_HARD_MAX}")),
    }
}

pub(super) fn idempotency_key(text: &str) -> Result<String, String> {
    let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len());
    if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(format!("it is not 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_https_unless_they_say_otherwise() {
        assert_eq!(endpoint("localhost:8443").unwrap(), "https://localhost:8443");
        assert_eq!(endpoint(" a:1 ").unwrap(), "https://a:1");
        assert_eq!(endpoint("http://a:1").unwrap(), "http://a:1");
        assert!(endpoint("").is_err());
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "10", "s", "0s", "-1s", "1.5s", "1d", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn idempotency_keys_fit_a_header() {
        assert!(idempotency_key("order-1").is_ok());
        for wrong in ["", "a b", "a\n", "\u{e4}", &"x".repeat(256)] {
            assert!(idempotency_key(wrong).is_err(), "{wrong:?}");
        }
    }
}
