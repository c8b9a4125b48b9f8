//! Damage: every single way in which a short record can go bad.

/// Hands `whole` to `damaged` with each bit flipped, cut at each length, and
/// with one byte more: everything that one fault of a disk may do to it.
pub fn every_damage(whole: &[u8], mut damaged: impl FnMut(&str, &[u8])) {
    let mut bytes = whole.to_vec();
    for at in 0..bytes.len() {
        for bit in 0..8_u32 {
            flip(&mut bytes, at, bit);
            damaged(&format!("bit {bit} of byte {at} flipped"), &bytes);
            flip(&mut bytes, at, bit);
        }
    }
    for length in 0..whole.len() {
        damaged(&format!("cut to {length}"), whole.get(..length).unwrap_or_default());
    }
    for more in [0, u8::MAX] {
        damaged("one byte more", &[whole, &[more]].concat());
    }
}

fn flip(bytes: &mut [u8], at: usize, bit: u32) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_damage_is_another_and_none_is_the_whole() {
        let mut seen = BTreeSet::new();
        every_damage(b"ab", |what, bytes| {
            assert_ne!(bytes, b"ab", "{what}");
            assert!(seen.insert(bytes.to_vec()), "{what}");
        });
        assert_eq!(seen.len(), 16 + 2 + 2);
    }
}
