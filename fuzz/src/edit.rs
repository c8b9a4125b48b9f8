//! Edit: how is a good input made a bad one?
//!
//! Random bytes rarely get past a decoder's first field. A seed with a few
//! edits keeps most of its form, so it reaches the fields behind.

use std::ops::Range;

use proptest::prelude::*;

/// The longest input. Limits on length are tested with inputs made for them.
pub const INPUT_BYTES_MAX: usize = 64 << 10;

/// Edits of one input.
const EDITS: Range<usize> = 0..6;

/// Numbers at which lengths, counts and times go wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    i64::MAX.cast_unsigned(),
    u64::MAX - 1,
    u64::MAX,
];

/// Where something happens, modulo the length that is there then.
type Place = u32;

/// One input in the making.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What it is made from.
    pub base: Base,
    /// What is done to it, in order.
    pub edits: Vec<Edit>,
}

/// What an input is made from.
#[derive(Clone, Debug)]
pub enum Base {
    /// One of the seeds.
    Seed(Place),
    /// Random bytes.
    Bytes(Vec<u8>),
}

/// One change of an input.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Flips a bit.
    Flip(Place, u8),
    /// Writes a number, big-endian, over what is there: its place, its bytes.
    Number(Place, Vec<u8>),
    /// Puts bytes between what is there.
    Insert(Place, Vec<u8>),
    /// Puts one of the target's words between what is there.
    Word(Place, Place),
    /// Takes bytes away.
    Remove(Place, u16),
    /// Repeats bytes: place, length, how often.
    Repeat(Place, u16, u8),
    /// Puts a piece of a seed between what is there: place, seed, from, length.
    Graft(Place, Place, Place, u16),
    /// Cuts the end off.
    Cut(Place),
}

/// What inputs are made of.
#[derive(Clone, Debug, Default)]
pub struct Stock {
    /// Good inputs.
    pub seeds: Vec<Vec<u8>>,
    /// Pieces of text that mean something to the decoder.
    pub words: Vec<Vec<u8>>,
}

/// All recipes.
pub fn recipes() -> impl Strategy<Value = Recipe> {
    let base = prop_oneof![
        15 => any::<Place>().prop_map(Base::Seed),
        1 => proptest::collection::vec(any::<u8>(), 0..64).prop_map(Base::Bytes),
    ];
    let edits = proptest::collection::vec(edit(), EDITS);
    (base, edits).prop_map(|(base, edits)| Recipe { base, edits })
}

fn edit() -> impl Strategy<Value = Edit> {
    let few = || proptest::collection::vec(any::<u8>(), 1..9);
    prop_oneof![
        (any::<Place>(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (any::<Place>(), few()).prop_map(|(at, bytes)| Edit::Number(at, bytes)),
        (any::<Place>(), 0..EDGES.len(), 0..4_u8)
            .prop_map(|(at, edge, size)| { Edit::Number(at, edge_bytes(edge, 1 << size)) }),
        (any::<Place>(), few()).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (any::<Place>(), any::<Place>()).prop_map(|(at, word)| Edit::Word(at, word)),
        (any::<Place>(), 1..32_u16).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<Place>(), 1..64_u16, 1..64_u8)
            .prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        (any::<Place>(), any::<Place>(), any::<Place>(), 1..64_u16)
            .prop_map(|(at, seed, from, length)| Edit::Graft(at, seed, from, length)),
        any::<Place>().prop_map(Edit::Cut),
    ]
}

fn edge_bytes(edge: usize, size: usize) -> Vec<u8> {
    let bytes = EDGES.get(edge).copied().unwrap_or_default().to_be_bytes();
    bytes.into_iter().skip(bytes.len() - size).collect()
}

impl Recipe {
    /// The input.
    #[must_use]
    pub fn made_of(&self, stock: &Stock) -> Vec<u8> {
        let mut bytes = match &self.base {
            Base::Seed(number) => pick(&stock.seeds, *number).to_vec(),
            Base::Bytes(bytes) => bytes.clone(),
        };
        for edit in &self.edits {
            edit.apply(&mut bytes, stock);
            bytes.truncate(INPUT_BYTES_MAX);
        }
        bytes
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>, stock: &Stock) {
        match self {
            Self::Flip(at, bit) => {
                let at = within(*at, bytes.len());
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
            }
            Self::Number(at, number) => {
                let at = within(*at, bytes.len());
                bytes.iter_mut().skip(at).zip(number).for_each(|(to, from)| *to = *from);
            }
            Self::Insert(at, more) => insert(bytes, *at, more),
            Self::Word(at, word) => insert(bytes, *at, pick(&stock.words, *word)),
            Self::Remove(at, length) => {
                let piece = piece(bytes.len(), *at, *length);
                bytes.drain(piece);
            }
            Self::Repeat(at, length, times) => {
                let piece = bytes.get(piece(bytes.len(), *at, *length)).unwrap_or_default();
                let more = piece.repeat(usize::from(*times));
                insert(bytes, *at, &more);
            }
            Self::Graft(at, seed, from, length) => {
                let seed = pick(&stock.seeds, *seed);
                let graft = seed.get(piece(seed.len(), *from, *length)).unwrap_or_default();
                insert(bytes, *at, graft);
            }
            Self::Cut(at) => bytes.truncate(within(*at, bytes.len())),
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: Place, more: &[u8]) {
    let at = within(at, bytes.len() + 1);
    bytes.splice(at..at, more.iter().copied());
}

fn pick(from: &[Vec<u8>], number: Place) -> &[u8] {
    from.get(within(number, from.len())).map_or(&[], Vec::as_slice)
}

fn piece(bytes: usize, at: Place, length: u16) -> Range<usize> {
    let at = within(at, bytes);
    at..bytes.min(at + usize::from(length))
}

/// A place below `length`; 0 if there is none.
fn within(place: Place, length: usize) -> usize {
    (place as usize).checked_rem(length).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(edit: Edit) -> Vec<u8> {
        let stock = Stock { seeds: vec![b"abcd".to_vec()], words: vec![b"word".to_vec()] };
        Recipe { base: Base::Seed(7), edits: vec![edit] }.made_of(&stock)
    }

    #[test]
    fn edits_do_what_they_say() {
        assert_eq!(edited(Edit::Flip(1, 0)), b"accd");
        assert_eq!(edited(Edit::Number(3, vec![b'x', b'y'])), b"abcx");
        assert_eq!(edited(Edit::Insert(4, b"x".to_vec())), b"abcdx");
        assert_eq!(edited(Edit::Word(0, 9)), b"wordabcd");
        assert_eq!(edited(Edit::Remove(2, 9)), b"ab");
        assert_eq!(edited(Edit::Repeat(1, 2, 2)), b"abcbcbcd");
        assert_eq!(edited(Edit::Graft(0, 0, 2, 9)), b"cdabcd");
        assert_eq!(edited(Edit::Cut(6)), b"ab");
        assert_eq!(edge_bytes(11, 2), [0xff, 0xff]);
    }

    #[test]
    fn nothing_to_edit_is_no_reason_to_panic() {
        let edits = vec![Edit::Flip(9, 1), Edit::Remove(3, 3), Edit::Word(1, 1), Edit::Cut(5)];
        let recipe = Recipe { base: Base::Seed(0), edits };
        assert_eq!(recipe.made_of(&Stock::default()), b"");
    }
}
