//! Header and section table, to bytes and back.

use std::fmt;
use xxhash_rust::xxh3::xxh3_64;

/// The first eight bytes of every container. The last two notice files that went through a
/// conversion of line ends.
pub const MAGIC: [u8; 8] = *b"CRINO\x1a\r\n";

/// The format that this version writes; it reads this one and those before it.
pub const FORMAT: u32 = 3;

/// Bytes to which sections are aligned, and the size of the header and of a table entry.
pub const ALIGN: usize = 64;

/// The longest section name in bytes.
pub const NAME: usize = 40;

/// The most sections a container may have.
pub const MAX_SECTIONS: usize = 4096;

/// One entry of the section table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Section {
    name: [u8; NAME],
    /// First byte in the file, a multiple of 64.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
    /// XXH3-64 of the bytes.
    pub checksum: u64,
}

impl Section {
    /// An entry; `None` where the name is empty, longer than 40 bytes, or not printable ASCII.
    pub fn new(name: &str, offset: u64, len: u64, checksum: u64) -> Option<Self> {
        let fits = (1..=NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
        let mut padded = [0; NAME];
        padded.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        fits.then_some(Self { name: padded, offset, len, checksum })
    }

    /// The name of the section.
    pub fn name(&self) -> &str {
        let used = self.name.iter().position(|&b| b == 0).unwrap_or(NAME);
        std::str::from_utf8(&self.name[..used]).unwrap_or("?")
    }

    /// One past the last byte, saturating.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }

    fn to_bytes(self) -> [u8; ALIGN] {
        let mut bytes = [0; ALIGN];
        bytes[..NAME].copy_from_slice(&self.name);
        bytes[NAME..48].copy_from_slice(&self.offset.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.len.to_le_bytes());
        bytes[56..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; ALIGN]) -> Option<Self> {
        let used = bytes[..NAME].iter().position(|&b| b == 0).unwrap_or(NAME);
        let (name, padding) = bytes[..NAME].split_at(used);
        let name = std::str::from_utf8(name).ok()?;
        let padded = padding.iter().all(|&b| b == 0);
        let section = Self::new(name, u64_at(bytes, 40), u64_at(bytes, 48), u64_at(bytes, 56))?;
        padded.then_some(section)
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, len, checksum, .. } = self;
        write!(f, "{} at {offset}, {len} bytes, xxh3 {checksum:016x}", self.name())
    }
}

/// Why bytes are no header and table. The caller adds the name of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LayoutError {
    Magic,
    Format(u32),
    Header(&'static str),
    Table(String),
}

/// The header: how long the file is and where everything lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) sections: usize,
    pub(super) file_len: u64,
    table_checksum: u64,
}

impl Header {
    /// Reads the first 64 bytes of a file.
    pub(super) fn from_bytes(bytes: &[u8; ALIGN]) -> Result<Self, LayoutError> {
        if bytes[..8] != MAGIC {
            return Err(LayoutError::Magic);
        }
        let format = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if u64_at(bytes, 56) != xxh3_64(&bytes[..56]) {
            return Err(LayoutError::Header("its checksum is wrong"));
        }
        if !(1..=FORMAT).contains(&format) {
            return Err(LayoutError::Format(format));
        }
        let sections = u64_at(bytes, 16);
        if sections > MAX_SECTIONS as u64 {
            return Err(LayoutError::Header("it counts too many sections"));
        }
        Ok(Self {
            sections: sections as usize,
            file_len: u64_at(bytes, 24),
            table_checksum: u64_at(bytes, 32),
        })
    }

    /// Bytes of the section table.
    pub(super) fn table_len(&self) -> usize {
        self.sections * ALIGN
    }

    /// Reads the section table and checks that its sections lie in order, aligned, apart, and
    /// inside the file.
    pub(super) fn table(&self, bytes: &[u8]) -> Result<Vec<Section>, LayoutError> {
        if xxh3_64(bytes) != self.table_checksum {
            return Err(LayoutError::Table("its checksum is wrong".to_owned()));
        }
        let (entries, _) = bytes.as_chunks::<ALIGN>();
        let mut end = (ALIGN + self.table_len()) as u64;
        let mut sections: Vec<Section> = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let section = Section::from_bytes(entry)
                .ok_or_else(|| LayoutError::Table(format!("entry {index} has no proper name")))?;
            if Some(section.offset) != end.checked_next_multiple_of(ALIGN as u64) {
                let why = format!("`{}` is not where the section before it ends", section.name());
                return Err(LayoutError::Table(why));
            }
            if section.end() > self.file_len {
                let why = format!("`{}` reaches past the end of the file", section.name());
                return Err(LayoutError::Table(why));
            }
            if sections.iter().any(|other| other.name == section.name) {
                return Err(LayoutError::Table(format!("`{}` occurs twice", section.name())));
            }
            end = section.end();
            sections.push(section);
        }
        if end != self.file_len {
            return Err(LayoutError::Table("the last section is not the end".to_owned()));
        }
        Ok(sections)
    }
}

/// Header and table of a file with these sections, which lie in order.
pub(super) fn to_bytes(sections: &[Section]) -> Vec<u8> {
    let table: Vec<u8> = sections.iter().flat_map(|section| section.to_bytes()).collect();
    let file_len = sections.last().map_or(ALIGN as u64, Section::end);
    let mut bytes = Vec::with_capacity(ALIGN + table.len());
    bytes.extend(MAGIC);
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((sections.len() as u64).to_le_bytes());
    bytes.extend(file_len.to_le_bytes());
    bytes.extend(xxh3_64(&table).to_le_bytes());
    bytes.extend([0; 16]);
    bytes.extend(xxh3_64(&bytes).to_le_bytes());
    bytes.extend(table);
    bytes
}

fn u64_at(bytes: &[u8; ALIGN], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
