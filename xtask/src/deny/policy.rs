//! Policy: what deny.toml says.
//!
//! Reads the small part of TOML that the file uses: tables, strings, lists of
//! strings and of inline tables of strings. Anything else in a table that
//! matters is an error, so that nothing is silently not enforced.

/// The parts of deny.toml that [`deny`](super) enforces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Crates that must not be locked.
    pub bans: Vec<Ban>,
    /// Licences one may choose.
    pub licenses: Vec<String>,
    /// Registries crates may come from.
    pub registries: Vec<String>,
}

/// A crate that must not be locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ban {
    /// Its name.
    pub name: String,
    /// Why, and what to use instead.
    pub reason: String,
}

impl Policy {
    /// Reads the text of deny.toml.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut policy = Self::default();
        let mut table = String::new();
        let mut lines = text.lines().map(without_comment);
        while let Some(line) = lines.next() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut table);
            } else if let Some((key, value)) = line.split_once('=') {
                let mut value = value.trim().to_owned();
                while value.starts_with('[') && !value.ends_with(']') {
                    value.push_str(lines.next().ok_or("a list does not end")?.trim());
                }
                policy.set(&table, key.trim(), &value)?;
            } else if !line.is_empty() {
                return Err(format!("deny.toml: cannot read `{line}`"));
            }
        }
        let complete =
            !(policy.bans.is_empty() || policy.licenses.is_empty() || policy.registries.is_empty());
        if complete { Ok(policy) } else { Err("deny.toml: a list is missing".to_owned()) }
    }

    fn set(&mut self, table: &str, key: &str, value: &str) -> Result<(), String> {
        match (table, key) {
            ("bans", "deny") => {
                self.bans = items(value)?.iter().map(|i| ban(i)).collect::<Result<_, _>>()?
            }
            ("licenses", "allow") => self.licenses = strings(value)?,
            ("sources", "allow-registry") => self.registries = strings(value)?,
            // What only cargo-deny itself enforces, and what says how strict it is.
            ("bans", "multiple-versions" | "wildcards" | "highlight")
            | ("licenses", "confidence-threshold" | "private" | "unused-allowed-license")
            | ("sources", "unknown-registry" | "unknown-git")
            | ("graph" | "output" | "advisories", _) => {}
            _ => return Err(format!("deny.toml: `{key}` of [{table}] is not understood")),
        }
        Ok(())
    }
}

fn ban(item: &str) -> Result<Ban, String> {
    let fields = item.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let fields = fields.ok_or_else(|| format!("deny.toml: a ban is {{ name, reason }}: {item}"))?;
    let mut found = Ban { name: String::new(), reason: String::new() };
    for field in split(fields) {
        match field.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("name" | "crate", value)) => found.name = string(value)?,
            Some(("reason", value)) => found.reason = string(value)?,
            _ => return Err(format!("deny.toml: cannot read the ban's `{field}`")),
        }
    }
    if found.name.is_empty() || found.reason.is_empty() {
        return Err(format!("deny.toml: a ban needs a name and a reason: {item}"));
    }
    Ok(found)
}

fn strings(list: &str) -> Result<Vec<String>, String> {
    items(list)?.iter().map(|item| string(item)).collect()
}

fn string(value: &str) -> Result<String, String> {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.map(str::to_owned).ok_or_else(|| format!("deny.toml: not a string: {value}"))
}

fn items(list: &str) -> Result<Vec<String>, String> {
    let inner = list.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.map(split).ok_or_else(|| format!("deny.toml: not a list: {list}"))
}

/// Splits at commas that are in no string and no braces; empty parts are left out.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut depth) = (false, 0_usize);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == ',' && !quoted && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => return line.get(..at).unwrap_or(line),
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[bans]
multiple-versions = "warn" # a note
deny = [
    { name = "a", reason = "slow, # and old" },
    { name = "b", reason = "c" },
]
[licenses]
allow = ["MIT", "ISC"]
[sources]
allow-registry = ["https://example.org/index"]
"#;

    #[test]
    fn the_lists_are_read() {
        let ban =
            |name: &str, reason: &str| Ban { name: name.to_owned(), reason: reason.to_owned() };
        let expected = Policy {
            bans: vec![ban("a", "slow, # and old"), ban("b", "c")],
            licenses: vec!["MIT".to_owned(), "ISC".to_owned()],
            registries: vec!["https://example.org/index".to_owned()],
        };
        assert_eq!(Policy::parse(FILE), Ok(expected));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let with = |from, to| Policy::parse(&FILE.replace(from, to));
        assert!(with("multiple-versions", "skip-tree").is_err());
        assert!(with("deny = [", "deny = [ 5,").is_err());
        assert!(with(", reason = \"c\"", "").is_err());
        assert!(with("allow = [\"MIT\", \"ISC\"]", "").is_err());
        assert!(with("[licenses]", "licences").is_err());
    }
}
