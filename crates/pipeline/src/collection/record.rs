//! Values of the store with a checksum of their own.
//!
//! The store notices half-written pages, not a bit that flipped later on the disk. So every value carries
//! the XXH3-64 of its place (table and key) and its content: what is read is what was written, there.

use xxhash_rust::xxh3::Xxh3;

/// Bytes of a checksum.
const CHECKSUM: usize = 8;

/// What tells a value's place from all others.
pub(super) struct Place<'a> {
    /// The table's name.
    pub(super) table: &'a str,
    /// The key, and whatever else the value must belong to.
    pub(super) key: [&'a [u8]; 2],
}

impl Place<'_> {
    fn checksum(&self, content: &[u8]) -> [u8; CHECKSUM] {
        let mut hash = Xxh3::new();
        for part in [self.table.as_bytes(), self.key[0], self.key[1]] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update(content);
        hash.digest().to_le_bytes()
    }

    /// The value to store.
    pub(super) fn seal(&self, content: &[u8]) -> Vec<u8> {
        [&self.checksum(content), content].concat()
    }

    /// As [`seal`](Self::seal), into a buffer that is used again; `fill` appends the content.
    pub(super) fn seal_into(&self, value: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
        value.clear();
        value.extend_from_slice(&[0; CHECKSUM]);
        fill(value);
        let (place, content) = value.split_at_mut(CHECKSUM);
        place.copy_from_slice(&self.checksum(content));
    }

    /// The content of a stored value; `None` where it is not what was stored here.
    pub(super) fn open<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        let (checksum, content) = value.split_at_checked(CHECKSUM)?;
        (checksum == self.checksum(content)).then_some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_other_place_is_noticed() {
        let place = |table, key| Place { table, key: [key, b"id"] };
        let value = place("rows", b"7").seal(b"content");
        assert_eq!(place("rows", b"7").open(&value), Some(&b"content"[..]));
        let mut again = b"what was there before".to_vec();
        place("rows", b"7").seal_into(&mut again, |value| value.extend_from_slice(b"content"));
        assert_eq!(again, value);
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(place("rows", b"7").open(&flipped), None, "bit {bit}");
        }
        assert_eq!(place("rows", b"8").open(&value), None);
        assert_eq!(place("names", b"7").open(&value), None);
        assert_eq!(Place { table: "rows", key: [b"", b"7id"] }.open(&value), None);
        assert!((0..value.len()).all(|len| place("rows", b"7").open(&value[..len]).is_none()));
    }
}
