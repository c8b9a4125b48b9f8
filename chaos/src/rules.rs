//! Rules: which packets does a node's network let through?

use std::fmt::Write;
use std::net::Ipv4Addr;

/// The table that is ours in a namespace.
pub const TABLE: &str = "chaos";

/// What happens to some packets at one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Of those that come, or those that go.
    pub way: Way,
    /// Of those from or to these.
    pub peers: Vec<Ipv4Addr>,
    /// What.
    pub fate: Fate,
}

/// Which way packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the node.
    In,
    /// From the node.
    Out,
}

/// What happens to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They vanish.
    Drop,
    /// So many of a hundred do.
    Lose(u8),
    /// Their connection is reset.
    Reset,
}

/// Both ways between a node and these others: nothing passes.
#[must_use]
pub fn cut(peers: &[Ipv4Addr]) -> Vec<Rule> {
    let rule = |way| Rule { way, peers: peers.to_vec(), fate: Fate::Drop };
    vec![rule(Way::In), rule(Way::Out)]
}

/// What nft reads to put these rules in the place of all earlier ones.
#[must_use]
pub fn script(rules: &[Rule]) -> String {
    let mut text = format!("add table ip {TABLE}\ndelete table ip {TABLE}\n");
    if rules.is_empty() {
        return text;
    }
    let _infallible = writeln!(text, "table ip {TABLE} {{");
    for (way, hook, address) in [(Way::In, "input", "saddr"), (Way::Out, "output", "daddr")] {
        let _infallible =
            writeln!(text, "chain {hook} {{ type filter hook {hook} priority 0; policy accept;");
        for rule in rules.iter().filter(|rule| rule.way == way && !rule.peers.is_empty()) {
            let peers: Vec<_> = rule.peers.iter().map(ToString::to_string).collect();
            let peers = peers.join(", ");
            let fate = match rule.fate {
                Fate::Drop => "counter drop".to_owned(),
                Fate::Lose(percent) => {
                    format!("numgen random mod 100 < {percent} counter drop")
                }
                Fate::Reset => "meta l4proto tcp counter reject with tcp reset".to_owned(),
            };
            let _infallible = writeln!(text, "ip {address} {{ {peers} }} {fate}");
        }
        text.push_str("}\n");
    }
    text.push_str("}\n");
    text
}

/// How many packets met a rule, as nft lists the table.
#[must_use]
pub fn hits(listed: &str) -> u64 {
    let words: Vec<_> = listed.split_whitespace().collect();
    let counts = words.iter().zip(words.iter().skip(1)).filter(|(word, _)| **word == "packets");
    counts.filter_map(|(_, count)| count.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_replaces_what_was_there() {
        let peers = vec![Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3)];
        let text = script(&[Rule { way: Way::In, peers, fate: Fate::Lose(20) }]);
        assert!(text.starts_with("add table ip chaos\ndelete table ip chaos\ntable ip chaos {"));
        let rule = "ip saddr { 10.0.0.2, 10.0.0.3 } numgen random mod 100 < 20 counter drop";
        assert!(text.contains(rule), "{text}");
        assert!(!script(&[]).contains("chain"));
    }

    #[test]
    fn hits_are_added_up() {
        let listed = "ip saddr 1.1.1.1 counter packets 5 bytes 6 drop\ncounter packets 7 bytes 0";
        assert_eq!(hits(listed), 12);
        assert_eq!(hits("table ip chaos {}"), 0);
    }
}
