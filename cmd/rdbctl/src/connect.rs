//! Connect: which client do the flags make?

use std::fs;
use std::path::Path;

use client::{Client, Step};

use crate::cli::{Target, Voice};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::sheet::visible;

/// A client for what the flags name.
pub(crate) fn connect(target: &Target) -> Result<Client, Failure> {
    let mut builder = Client::builder().endpoints(&target.endpoints).timeout(target.timeout);
    if let Some(path) = &target.cacert {
        let hint = "--cacert or RDBCTL_CACERT names a file with the cluster's authority";
        builder = builder.ca_pem(read(path, hint)?);
    }
    if let (Some(cert), Some(key)) = (&target.cert, &target.key) {
        let hint = "--cert and --key, or RDBCTL_CERT and RDBCTL_KEY, name your own certificate";
        builder = builder.identity_pem(read(cert, hint)?, read(key, hint)?);
    }
    if target.insecure_skip_verify {
        output::note("warning: nobody's certificate is verified; do not send secrets");
        builder = builder.insecure_skip_verify();
    }
    if target.voice() == Voice::Verbose {
        builder = builder.trace(|step| output::note(visible(&told(step))));
    }
    builder.build().map_err(|error| {
        usage(error.to_string(), "`rdbctl --help` shows how to name nodes and certificates")
    })
}

fn told(step: Step<'_>) -> String {
    match step {
        Step::Asked { endpoint, what } => format!("ask {endpoint}: {what}"),
        Step::Failed { endpoint, code, message, again } => {
            let next = match again {
                None => "no further attempt".to_owned(),
                Some(pause) if pause.is_zero() => "try again at once".to_owned(),
                Some(pause) => format!("try again in {} ms", pause.as_millis()),
            };
            format!("failed {endpoint}: {code}: {message}; {next}")
        }
    }
}

fn read(path: &Path, hint: &str) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| usage(format!("read {}: {error}", path.display()), hint))
}

fn usage(message: String, hint: &str) -> Failure {
    Failure { exit: Exit::Usage, message, hint: hint.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_step_is_a_line() {
        let endpoint = "https://a:1";
        assert_eq!(told(Step::Asked { endpoint, what: "put" }), "ask https://a:1: put");
        let failed =
            |again| told(Step::Failed { endpoint, code: "no_leader", message: "elects", again });
        assert_eq!(failed(None), "failed https://a:1: no_leader: elects; no further attempt");
        assert!(failed(Some(Duration::ZERO)).ends_with("; try again at once"));
        assert!(failed(Some(Duration::from_millis(25))).ends_with("; try again in 25 ms"));
    }
}
