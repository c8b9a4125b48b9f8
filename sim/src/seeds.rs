//! Seeds: which runs are repeated every time?

/// What is kept.
const KEPT: &str = include_str!("../seeds");

/// A run and why it is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Decides everything.
    pub seed: u64,
    /// Milliseconds in which things break.
    pub ticks: u32,
    /// What it found once.
    pub reason: String,
}

/// All of them, in their order.
#[must_use]
pub fn kept() -> Vec<Kept> {
    parse(KEPT).expect("the tests read the file")
}

fn parse(text: &str) -> Option<Vec<Kept>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Kept> {
    let mut words = line.splitn(3, ' ');
    let seed = words.next()?.parse().ok()?;
    let ticks = words.next()?.parse().ok()?;
    let reason = words.next()?.to_owned();
    Some(Kept { seed, ticks, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kept_seed_has_its_ticks_and_its_reason() {
        assert!(parse(KEPT).is_some());
        let kept = Kept { seed: 7, ticks: 500, reason: "lost a row".to_owned() };
        assert_eq!(parse("# why\n\n7 500 lost a row\n"), Some(vec![kept]));
        for bad in ["7", "7 500", "seven 500 lost", "7 -1 lost"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
