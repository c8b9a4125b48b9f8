//! Health: which endpoints are well, and why are the others not? Pure.

use client::health::{Checkup, Health, Probe};
use serde_json::{Value, json};

use crate::cli::Form;
use crate::failure::silence;
use crate::sheet::Sheet;

/// Whether every endpoint says that it is well.
#[must_use]
pub fn all_well(healths: &[Health]) -> bool {
    healths.iter().all(is_well)
}

/// What the endpoints said, or only those that are not well.
#[must_use]
pub fn render(healths: &[Health], probe: Probe, ill_only: bool, form: Form) -> String {
    let shown = || healths.iter().filter(|health| !(ill_only && is_well(health)));
    if ill_only && all_well(healths) {
        return String::new();
    }
    let question = match probe {
        Probe::Live => "LIVE",
        Probe::Ready => "READY",
    };
    let mut sheet = Sheet::new(["ENDPOINT", question, "WHY NOT"]);
    for health in shown() {
        let answer = if is_well(health) { "yes" } else { "no" };
        sheet.add([health.endpoint.clone(), answer.to_owned(), why_not(health)]);
    }
    sheet.render(form, || shown().map(object).collect())
}

fn is_well(health: &Health) -> bool {
    health.checkup.as_ref().is_ok_and(|checkup| checkup.well)
}

fn why_not(health: &Health) -> String {
    match &health.checkup {
        Ok(checkup) => failures(checkup).join(", "),
        Err(error) => format!("no answer: {}", silence(error)),
    }
}

fn failures(checkup: &Checkup) -> Vec<String> {
    let failed = checkup.checks.iter().filter_map(|check| {
        check.failure.as_ref().map(|failure| format!("{}: {failure}", check.name))
    });
    failed.collect()
}

fn object(health: &Health) -> Value {
    let endpoint = &health.endpoint;
    match &health.checkup {
        Ok(checkup) => {
            let checks = checkup.checks.iter();
            let checks: Vec<_> = checks
                .map(|check| json!({"check": check.name, "failure": check.failure}))
                .collect();
            json!({"endpoint": endpoint, "well": checkup.well, "checks": checks, "silence": null})
        }
        Err(error) => {
            json!({"endpoint": endpoint, "well": false, "checks": [], "silence": silence(error)})
        }
    }
}

#[cfg(test)]
mod tests {
    use client::Error;
    use client::health::Check;

    use super::*;

    fn says(failure: Option<&str>) -> Health {
        let check = Check { name: "storage".to_owned(), failure: failure.map(str::to_owned) };
        let checkup = Checkup { well: failure.is_none(), checks: vec![check] };
        Health { endpoint: "https://a:1".to_owned(), checkup: Ok(checkup) }
    }

    fn silent() -> Health {
        let (code, message) = ("unreachable".to_owned(), "refused".to_owned());
        let checkup = Err(Error::NotApplied { code, message });
        Health { endpoint: "https://b:1".to_owned(), checkup }
    }

    #[test]
    fn all_must_answer_and_be_well() {
        assert!(all_well(&[says(None), says(None)]));
        assert!(!all_well(&[says(None), says(Some("full"))]));
        assert!(!all_well(&[says(None), silent()]));
    }

    #[test]
    fn who_is_not_well_says_why() {
        let all = [says(None), says(Some("disk is full")), silent()];
        let expected = "\
ENDPOINT     READY  WHY NOT
https://a:1  yes
https://a:1  no     storage: disk is full
https://b:1  no     no answer: refused
";
        assert_eq!(render(&all, Probe::Ready, false, Form::Table), expected);
        let ill = render(&all, Probe::Live, true, Form::Plain);
        assert_eq!(ill.lines().count(), 2, "{ill}");
        assert_eq!(render(&[says(None)], Probe::Ready, true, Form::Json), "");
    }

    #[test]
    fn programs_get_every_check() {
        let line = "{\"checks\":[{\"check\":\"storage\",\"failure\":\"full\"}],\
                    \"endpoint\":\"https://a:1\",\"silence\":null,\"well\":false}\n";
        assert_eq!(render(&[says(Some("full"))], Probe::Ready, false, Form::Ndjson), line);
    }
}
