//! Value: what one setting holds, and how it is written.
//!
//! The same words are read from flags, environment and TOML: durations as
//! `250ms`, sizes as `64MiB`. Writing a value and reading it gives it back.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What sort of value a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A file or directory. In a file, relative to that file's directory.
    Path,
    /// An IP address and port to listen on.
    Address,
    /// A length of time, as `250ms`.
    Duration,
    /// A number of bytes, as `64MiB`.
    Size,
    /// A whole number.
    Count,
    /// A part of a whole, as `10%`.
    Fraction,
    /// `true` or `false`.
    Switch,
    /// Several texts; separated by commas outside of TOML.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// What a setting holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text or a choice.
    Text(String),
    /// A file or directory.
    Path(PathBuf),
    /// An address to listen on.
    Address(SocketAddr),
    /// A length of time.
    Duration(Duration),
    /// A number of bytes.
    Size(u64),
    /// A whole number.
    Count(u64),
    /// A part of a whole.
    Fraction(Fraction),
    /// Yes or no.
    Switch(bool),
    /// Several texts.
    List(Vec<String>),
}

/// A part of a whole, exact to a millionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fraction {
    millionths: u32,
}

const DURATION_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

const SIZE_UNITS: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

impl Value {
    /// Reads the value of a flag or an environment variable.
    pub fn from_text(kind: Kind, text: &str) -> Result<Self, String> {
        Ok(match kind {
            Kind::Text => Self::Text(text.to_owned()),
            Kind::Path if text.is_empty() => return Err("a path cannot be empty".to_owned()),
            Kind::Path => Self::Path(PathBuf::from(text)),
            Kind::Address => Self::Address(text.parse().map_err(|_| {
                format!("`{text}` is not an IP address and port, such as 0.0.0.0:8080")
            })?),
            Kind::Duration => Self::Duration(duration(text)?),
            Kind::Size => Self::Size(size(text)?),
            Kind::Count => Self::Count(count(text)?),
            Kind::Fraction => Self::Fraction(Fraction::parse(text)?),
            Kind::Switch => Self::Switch(
                text.parse().map_err(|_| format!("`{text}` is neither `true` nor `false`"))?,
            ),
            Kind::List => Self::List(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(str::to_owned)
                    .collect(),
            ),
            Kind::Choice(words) if words.contains(&text) => Self::Text(text.to_owned()),
            Kind::Choice(words) => {
                return Err(format!("`{text}` is none of {}", words.join(", ")));
            }
        })
    }

    /// Reads a value of a TOML file.
    pub fn from_toml(kind: Kind, value: &toml::Value) -> Result<Self, String> {
        match (kind, value) {
            (Kind::Count, toml::Value::Integer(number)) => u64::try_from(*number)
                .map(Self::Count)
                .map_err(|_| format!("{number} is less than 0")),
            (Kind::Switch, toml::Value::Boolean(on)) => Ok(Self::Switch(*on)),
            (Kind::List, toml::Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .map(Self::List)
                .ok_or_else(|| "a list of strings is expected".to_owned()),
            (Kind::Count | Kind::Switch | Kind::List, other) => {
                Err(format!("{} is expected, this is a {}", kind.describe(), other.type_str()))
            }
            (_, toml::Value::String(text)) => Self::from_text(kind, text),
            (_, other) => Err(format!(
                "{} in quotes is expected, this is a {}",
                kind.describe(),
                other.type_str()
            )),
        }
    }
}

impl Kind {
    /// What a value of this kind looks like.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Path => "a path",
            Self::Address => "an address such as \"0.0.0.0:8080\"",
            Self::Duration => "a duration such as \"250ms\"",
            Self::Size => "a size such as \"64MiB\"",
            Self::Count => "a whole number",
            Self::Fraction => "a percentage such as \"10%\"",
            Self::Switch => "true or false",
            Self::List => "a list of strings",
            Self::Choice(_) => "a word",
        }
    }

    /// What stands for the value in `--help`.
    #[must_use]
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Text | Self::Choice(_) => "TEXT",
            Self::Path => "PATH",
            Self::Address => "IP:PORT",
            Self::Duration => "DURATION",
            Self::Size => "SIZE",
            Self::Count => "NUMBER",
            Self::Fraction => "PERCENT",
            Self::Switch => "BOOL",
            Self::List => "LIST",
        }
    }
}

impl fmt::Display for Value {
    /// As TOML has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: String| toml::Value::String(text).to_string();
        match self {
            Self::Text(text) => f.write_str(&quoted(text.clone())),
            Self::Path(path) => f.write_str(&quoted(path.display().to_string())),
            Self::Address(address) => write!(f, "\"{address}\""),
            Self::Duration(duration) => write!(f, "\"{}\"", duration_text(*duration)),
            Self::Size(bytes) => write!(f, "\"{}\"", size_text(*bytes)),
            Self::Count(number) => number.fmt(f),
            Self::Fraction(fraction) => write!(f, "\"{fraction}\""),
            Self::Switch(on) => on.fmt(f),
            Self::List(items) => {
                let items: Vec<_> = items.iter().cloned().map(quoted).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

impl Fraction {
    /// This part of `bytes`, rounded down.
    #[must_use]
    pub fn of(self, bytes: u64) -> u64 {
        let part = u128::from(bytes) * u128::from(self.millionths) / 1_000_000;
        u64::try_from(part).expect("a part is no more than the whole")
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.millionths == 0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a percentage of 0% to 100%, such as 10% or 0.1%");
        let number = text.strip_suffix('%').ok_or_else(wrong)?.trim_end();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 4 {
            return Err(wrong());
        }
        let millionths = format!("{whole}{decimals:0<4}").parse().map_err(|_| wrong())?;
        if millionths > 1_000_000 {
            return Err(wrong());
        }
        Ok(Self { millionths })
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.millionths / 10_000, self.millionths % 10_000);
        match format!("{decimals:04}").trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            decimals => write!(f, "{whole}.{decimals}%"),
        }
    }
}

/// No more than a TOML file can hold.
fn count(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| i64::try_from(*number).is_ok());
    number.ok_or_else(|| format!("`{text}` is not a whole number of 0 to {}", i64::MAX))
}

fn duration(text: &str) -> Result<Duration, String> {
    scaled(text, &DURATION_UNITS)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is not a duration such as 250ms, 5s, 2m or 1h"))
}

fn size(text: &str) -> Result<u64, String> {
    scaled(text, &SIZE_UNITS)
        .ok_or_else(|| format!("`{text}` is not a size such as 512B, 64KiB, 64MiB or 1GiB"))
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

fn duration_text(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    largest_unit(millis, &DURATION_UNITS)
}

fn size_text(bytes: u64) -> String {
    largest_unit(bytes, &SIZE_UNITS)
}

fn largest_unit(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |&&(_, scale): &&(&str, u64)| number >= scale && number.is_multiple_of(scale);
    let (unit, scale) = units.iter().rev().find(fits).or(units.first()).copied().unwrap_or(("", 1));
    format!("{}{unit}", number / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(kind: Kind, text: &str) -> Option<Value> {
        Value::from_text(kind, text).ok()
    }

    #[test]
    fn durations_have_units() {
        let millis = |n| Some(Value::Duration(Duration::from_millis(n)));
        assert_eq!(reads(Kind::Duration, "250ms"), millis(250));
        assert_eq!(reads(Kind::Duration, "5s"), millis(5_000));
        assert_eq!(reads(Kind::Duration, "2 m"), millis(120_000));
        for wrong in ["", "250", "ms", "-1s", "1.5s", "1d", "99999999999999999999s"] {
            assert_eq!(reads(Kind::Duration, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(reads(Kind::Size, "64MiB"), Some(Value::Size(64 << 20)));
        assert_eq!(reads(Kind::Size, "0B"), Some(Value::Size(0)));
        for wrong in ["64", "64MB", "64mib", "18446744073709551615KiB"] {
            assert_eq!(reads(Kind::Size, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn fractions_are_exact() {
        let fraction = Fraction::parse("0.1%").unwrap();
        assert_eq!(fraction.of(5_000), 5);
        assert_eq!(fraction.to_string(), "0.1%");
        assert_eq!(Fraction::parse("100%").unwrap().of(u64::MAX), u64::MAX);
        for wrong in ["10", "101%", "-1%", "1.00001%", ".1%", "%"] {
            assert!(Fraction::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn written_values_read_back() {
        for (kind, text) in [
            (Kind::Duration, "1500ms"),
            (Kind::Duration, "1h"),
            (Kind::Duration, "0ms"),
            (Kind::Size, "65537B"),
            (Kind::Size, "8MiB"),
            (Kind::Fraction, "12.5%"),
            (Kind::Address, "[::1]:8443"),
        ] {
            let value = Value::from_text(kind, text).unwrap();
            assert_eq!(value.to_string(), format!("\"{text}\""));
        }
    }

    #[test]
    fn a_count_is_one_that_a_file_can_hold() {
        let most = i64::MAX.unsigned_abs();
        assert_eq!(reads(Kind::Count, &most.to_string()), Some(Value::Count(most)));
        for wrong in ["9223372036854775808", "-1", "1.0", ""] {
            assert_eq!(reads(Kind::Count, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn toml_values_of_another_type_are_refused() {
        let number = toml::Value::Integer(5);
        assert!(Value::from_toml(Kind::Duration, &number).unwrap_err().contains("in quotes"));
        assert!(Value::from_toml(Kind::Count, &toml::Value::Integer(-1)).is_err());
        assert!(Value::from_toml(Kind::List, &number).is_err());
    }
}
