//! Tokens: the texts of one row as small numbers.

use std::collections::HashMap;

/// What one write adds to a row: the whole value, or an appended part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u32);

impl Token {
    /// Its number, unique in its row.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// The tokens of a row and who writes them.
#[derive(Clone, Debug, Default)]
pub struct Tokens<'h> {
    numbers: HashMap<&'h str, Token>,
    // By token: its text, and the place of the operation that writes it.
    texts: Vec<(&'h str, Option<usize>)>,
}

impl<'h> Tokens<'h> {
    /// The tokens of a value.
    pub fn cut(&mut self, value: &'h str) -> Vec<Token> {
        value.split_inclusive(';').map(|text| self.number(text)).collect()
    }

    /// The operation that writes a token, if any does.
    #[must_use]
    pub fn writer(&self, token: Token) -> Option<usize> {
        self.texts.get(token.0 as usize)?.1
    }

    /// The text of a token.
    #[must_use]
    pub fn text(&self, token: Token) -> &'h str {
        self.texts.get(token.0 as usize).map_or("", |(text, _)| text)
    }

    /// Enters that the operation at `place` writes `text`; tells who did before.
    pub(super) fn written(&mut self, text: &'h str, place: usize) -> (Token, Option<usize>) {
        let token = self.number(text);
        let first = self.writer(token);
        if let Some((_, writer)) = self.texts.get_mut(token.0 as usize) {
            writer.get_or_insert(place);
        }
        (token, first)
    }

    fn number(&mut self, text: &'h str) -> Token {
        *self.numbers.entry(text).or_insert_with(|| {
            let number = u32::try_from(self.texts.len()).expect("fewer tokens than 2^32");
            self.texts.push((text, None));
            Token(number)
        })
    }
}
