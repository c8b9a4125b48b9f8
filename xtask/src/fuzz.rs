//! Fuzz: the decoders' targets, for longer than the gate has time.
//!
//! The targets are tests whose names begin with `fuzz_`; crate `fuzz` reads the
//! time from the environment. The dev profile it is: it checks arithmetic.

use std::path::Path;

use crate::gate::cargo;

const SECONDS_DEFAULT: u64 = 60;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// For each target.
    seconds: u64,
    /// A part of the names of those that are to run.
    targets: String,
}

impl Plan {
    /// Reads `[--seconds N] [NAME]`.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Option<Self> {
        let mut plan = Self { seconds: SECONDS_DEFAULT, targets: "fuzz_".to_owned() };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--seconds" => {
                    plan.seconds = arguments.next()?.parse().ok().filter(|seconds| *seconds > 0)?;
                }
                name if name.starts_with('-') => return None,
                name => plan.targets = format!("fuzz_{}", name.trim_start_matches("fuzz_")),
            }
        }
        Some(plan)
    }

    /// Runs the targets; whether none found anything.
    pub(crate) fn run(&self, root: &Path) -> bool {
        let seconds = self.seconds.to_string();
        let arguments =
            ["test", "--workspace", "--lib", "--locked", "--", &self.targets, "--nocapture"];
        cargo(root, &arguments, &[("RDB_FUZZ_SECONDS", &seconds)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<(u64, String)> {
        let plan = Plan::parse(line.split_whitespace().map(str::to_owned))?;
        Some((plan.seconds, plan.targets))
    }

    #[test]
    fn time_and_name_are_optional() {
        assert_eq!(parse(""), Some((SECONDS_DEFAULT, "fuzz_".to_owned())));
        assert_eq!(parse("--seconds 5 rows"), Some((5, "fuzz_rows".to_owned())));
        assert_eq!(parse("fuzz_rows"), Some((SECONDS_DEFAULT, "fuzz_rows".to_owned())));
        for wrong in ["--seconds", "--seconds 0", "--seconds x", "--minutes 5"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
