//! Size: how many bytes are that, for people? Pure.

use crate::cli::Form;

/// Each with the power of two that it is.
const UNITS: [(u32, &str); 4] = [(10, "KiB"), (20, "MiB"), (30, "GiB"), (40, "TiB")];

/// The bytes as that form shows them: short for people, exact for programs.
#[must_use]
pub fn shown(bytes: u64, form: Form) -> String {
    match form {
        Form::Table => short(bytes),
        Form::Plain | Form::Json | Form::Ndjson => bytes.to_string(),
    }
}

/// `1.2 MiB`: cut off, not rounded, so that it is never more than there is.
#[must_use]
pub fn short(bytes: u64) -> String {
    let fits = |(bits, _): &(u32, &str)| bytes >> bits > 0;
    let Some((bits, unit)) = UNITS.into_iter().rev().find(fits) else {
        return format!("{bytes} B");
    };
    let rest = bytes & ((1 << bits) - 1);
    // Ten times the rest fits: the largest unit has 40 bits.
    format!("{}.{} {unit}", bytes >> bits, (rest * 10) >> bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_the_largest_unit_that_fits() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_300_000, "1.2 MiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(short(bytes), expected);
        }
    }

    #[test]
    fn programs_get_bytes() {
        assert_eq!(shown(1024, Form::Plain), "1024");
        assert_eq!(shown(1024, Form::Table), "1.0 KiB");
    }
}
