//! License: can an SPDX expression be satisfied with the licences we allow?
//!
//! Grammar: `or := and ("OR" and)*`, `and := one ("AND" one)*`,
//! `one := "(" or ")" | id ["WITH" exception]`. Old manifests write `/` for
//! `OR`. A licence with an exception is allowed only as a whole.

/// Whether `expression` can be satisfied with `allowed`.
pub(crate) fn allowed(expression: &str, allowed: &[String]) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = Words { rest: spaced.split_whitespace().collect(), allowed };
    words.rest.reverse();
    let satisfied = words.any_of()?;
    match words.rest.pop() {
        None => Ok(satisfied),
        Some(word) => Err(format!("unexpected `{word}`")),
    }
}

struct Words<'a> {
    /// What is left to read, last word first.
    rest: Vec<&'a str>,
    allowed: &'a [String],
}

impl Words<'_> {
    fn any_of(&mut self) -> Result<bool, String> {
        let mut satisfied = self.all_of()?;
        while self.take("OR") {
            satisfied |= self.all_of()?;
        }
        Ok(satisfied)
    }

    fn all_of(&mut self) -> Result<bool, String> {
        let mut satisfied = self.one()?;
        while self.take("AND") {
            satisfied &= self.one()?;
        }
        Ok(satisfied)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            let satisfied = self.any_of()?;
            return if self.take(")") { Ok(satisfied) } else { Err("missing `)`".to_owned()) };
        }
        let Some(id) = self.rest.pop() else { return Err("it ends too early".to_owned()) };
        if matches!(id, "AND" | "OR" | "WITH" | ")") {
            return Err(format!("unexpected `{id}`"));
        }
        let name = if self.take("WITH") {
            let exception = self.rest.pop().ok_or("it ends after WITH")?;
            format!("{id} WITH {exception}")
        } else {
            id.to_owned()
        };
        Ok(self.allowed.contains(&name))
    }

    fn take(&mut self, word: &str) -> bool {
        let next = self.rest.last() == Some(&word);
        if next {
            self.rest.pop();
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(expression: &str) -> Result<bool, String> {
        let list = ["MIT", "ISC", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"];
        allowed(expression, &list.map(str::to_owned))
    }

    #[test]
    fn one_choice_is_enough() {
        assert_eq!(is_allowed("MIT OR Apache-2.0"), Ok(true));
        assert_eq!(is_allowed("Apache-2.0 / MIT"), Ok(true));
        assert_eq!(is_allowed("Apache-2.0/MIT"), Ok(true));
        assert_eq!(is_allowed("GPL-3.0-only OR Apache-2.0"), Ok(false));
    }

    #[test]
    fn every_part_is_needed() {
        assert_eq!(is_allowed("MIT AND ISC"), Ok(true));
        assert_eq!(is_allowed("MIT AND BSD-3-Clause"), Ok(false));
        assert_eq!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"), Ok(true));
        assert_eq!(is_allowed("GPL-3.0-only OR MIT AND ISC"), Ok(true));
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        assert_eq!(is_allowed("Apache-2.0 WITH LLVM-exception"), Ok(true));
        assert_eq!(is_allowed("Apache-2.0"), Ok(false));
        assert_eq!(is_allowed("MIT WITH LLVM-exception"), Ok(false));
    }

    #[test]
    fn what_is_no_expression_is_an_error() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "AND MIT", "MIT WITH"] {
            assert!(is_allowed(expression).is_err(), "{expression}");
        }
    }
}
