//! Input: which value stands on stdin?
//!
//! A value given as `-` is all of stdin, byte for byte: what `get -n` writes,
//! `put` reads back as it was.
//!
//! # Limits
//!
//! One value of the hard maximum; no cluster takes more.

use std::io::Read;

use api::limits::VALUE_BYTES_HARD_MAX;

use crate::exit::Exit;
use crate::failure::Failure;

/// What stands for stdin.
pub const STDIN: &str = "-";

/// Replaces the one value that is `-` by what `stdin` has.
pub fn resolve(values: Vec<&mut String>, stdin: &mut impl Read) -> Result<(), Failure> {
    let mut wanted = values.into_iter().filter(|value| *value == STDIN);
    let Some(value) = wanted.next() else { return Ok(()) };
    if wanted.next().is_some() {
        return Err(Failure {
            exit: Exit::Usage,
            message: "two values cannot both be read from stdin".to_owned(),
            hint: "give `-` for one of them only".to_owned(),
        });
    }
    *value = read(stdin)?;
    Ok(())
}

fn read(stdin: &mut impl Read) -> Result<String, Failure> {
    let most = VALUE_BYTES_HARD_MAX;
    let mut bytes = Vec::new();
    stdin.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| Failure {
        exit: Exit::Failure,
        message: format!("read stdin: {error}"),
        hint: "give the value on the command line".to_owned(),
    })?;
    if bytes.len() > most {
        return Err(Failure {
            exit: Exit::Limit,
            message: format!("stdin has more than {most} bytes: no value may be longer"),
            hint: "keep it in an object store and its address here".to_owned(),
        });
    }
    if bytes.is_empty() {
        return Err(Failure {
            exit: Exit::Usage,
            message: "stdin is empty, and an empty value is none".to_owned(),
            hint: "did the command before the pipe fail?".to_owned(),
        });
    }
    String::from_utf8(bytes).map_err(|error| Failure {
        exit: Exit::Usage,
        message: format!("stdin is no text in UTF-8: {}", error.utf8_error()),
        hint: "encode it first, for example with `base64`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(values: &[&str], mut stdin: &[u8]) -> Result<Vec<String>, Exit> {
        let mut values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
        resolve(values.iter_mut().collect(), &mut stdin).map_err(|failure| failure.exit)?;
        Ok(values)
    }

    #[test]
    fn a_dash_is_all_of_stdin_byte_for_byte() {
        assert_eq!(resolved(&["a", "-"], b"x\ny\n").unwrap(), ["a", "x\ny\n"]);
        assert_eq!(resolved(&["a", "--"], b"x").unwrap(), ["a", "--"]);
        assert_eq!(resolved(&[], b"x").unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_no_value_is_refused() {
        assert_eq!(resolved(&["-", "-"], b"x"), Err(Exit::Usage));
        assert_eq!(resolved(&["-"], b""), Err(Exit::Usage));
        assert_eq!(resolved(&["-"], b"\xff"), Err(Exit::Usage));
        let long = vec![b'x'; VALUE_BYTES_HARD_MAX + 1];
        assert_eq!(resolved(&["-"], &long), Err(Exit::Limit));
        assert!(resolved(&["-"], &long[1..]).is_ok());
    }
}
