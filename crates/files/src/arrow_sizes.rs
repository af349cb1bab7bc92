//! The sizes that an Arrow IPC file names, before memory is asked for.
//!
//! The reader of arrow-ipc believes the length of a block and the uncompressed length of a buffer; one
//! flipped bit there asks for petabytes, and the process ends. So all of them are looked at first.

use arrow_ipc::{CompressionType, MessageHeader, RecordBatch, root_as_footer, root_as_message};
use std::io::{self, Read, Seek, SeekFrom};

/// What a byte of LZ4 can become at most.
const LZ4_RATIO: u64 = 255;

/// The most that any one buffer of another codec may become.
const MOST: u64 = 4 << 30;

/// Marks the length of a message, and a buffer that is stored as it is.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// What is wrong with the sizes of an IPC file (with a footer) or stream; `None` where they are possible.
/// Whatever else is wrong is left to the reader to say.
pub(crate) fn check(source: &mut (impl Read + Seek), is_file: bool) -> io::Result<Option<String>> {
    let end = source.seek(SeekFrom::End(0))?;
    let mut sizes = Sizes { source, end };
    if is_file { sizes.file() } else { sizes.stream() }
}

struct Sizes<'a, R> {
    source: &'a mut R,
    end: u64,
}

impl<R: Read + Seek> Sizes<'_, R> {
    /// `len` bytes from `at`; `None` where the file does not have them.
    fn bytes(&mut self, at: u64, len: u64) -> io::Result<Option<Vec<u8>>> {
        if at.checked_add(len).is_none_or(|last| last > self.end) {
            return Ok(None);
        }
        let mut bytes = vec![0; len as usize];
        self.source.seek(SeekFrom::Start(at))?;
        self.source.read_exact(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn file(&mut self) -> io::Result<Option<String>> {
        let Some(tail) = self.bytes(self.end.saturating_sub(10), 10)? else { return Ok(None) };
        let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
        let Some(at) = self.end.checked_sub(10 + length) else {
            return Ok(Some(format!("its footer has {length} bytes, more than the file")));
        };
        let Some(footer) = self.bytes(at, length)? else { return Ok(None) };
        let Ok(footer) = root_as_footer(&footer) else { return Ok(None) };
        let blocks = footer.dictionaries().into_iter().chain(footer.recordBatches()).flatten();
        for (number, block) in blocks.enumerate() {
            let part = |value: i64| u64::try_from(value).ok();
            let sizes = part(block.offset()).zip(part(block.metaDataLength().into()));
            let Some(((offset, meta), body)) = sizes.zip(part(block.bodyLength())) else {
                return Ok(Some(format!("block {number} has a negative size")));
            };
            let whole = offset.checked_add(meta).and_then(|start| start.checked_add(body));
            if whole.is_none_or(|last| last > self.end) {
                return Ok(Some(format!("block {number} ends behind the file")));
            }
            let Some(head) = self.bytes(offset, meta)? else { return Ok(None) };
            let skip = if head.starts_with(&CONTINUATION) { 8 } else { 4 };
            let message = head.get(skip..).unwrap_or_default();
            if let Some(wrong) = self.message(message, offset + meta)? {
                return Ok(Some(format!("block {number}: {wrong}")));
            }
        }
        Ok(None)
    }

    fn stream(&mut self) -> io::Result<Option<String>> {
        let mut at = 0;
        for number in 0.. {
            let Some(mut length) = self.bytes(at, 4)? else { break };
            at += 4;
            if length == CONTINUATION {
                let Some(next) = self.bytes(at, 4)? else { break };
                (length, at) = (next, at + 4);
            }
            let meta = u64::from(u32::from_le_bytes([length[0], length[1], length[2], length[3]]));
            if meta == 0 {
                break;
            }
            let Some(head) = self.bytes(at, meta)? else {
                return Ok(Some(format!("message {number} ends behind the file")));
            };
            at += meta;
            let Ok(message) = root_as_message(&head) else { break };
            let body = u64::try_from(message.bodyLength()).unwrap_or(u64::MAX);
            if at.checked_add(body).is_none_or(|last| last > self.end) {
                return Ok(Some(format!("the body of message {number} ends behind the file")));
            }
            if let Some(wrong) = self.message(&head, at)? {
                return Ok(Some(format!("message {number}: {wrong}")));
            }
            at += body;
        }
        Ok(None)
    }

    /// Looks at a message whose body starts at `body`.
    fn message(&mut self, message: &[u8], body: u64) -> io::Result<Option<String>> {
        let Ok(message) = root_as_message(message) else { return Ok(None) };
        match message.header_type() {
            MessageHeader::RecordBatch => self.batch(message.header_as_record_batch(), body),
            MessageHeader::DictionaryBatch => {
                let batch = message.header_as_dictionary_batch();
                self.batch(batch.and_then(|dictionary| dictionary.data()), body)
            }
            _ => Ok(None),
        }
    }

    fn batch(&mut self, batch: Option<RecordBatch<'_>>, body: u64) -> io::Result<Option<String>> {
        let Some(batch) = batch else { return Ok(None) };
        let Some((codec, buffers)) = batch.compression().zip(batch.buffers()) else {
            return Ok(None);
        };
        for (number, buffer) in buffers.iter().enumerate() {
            let place = u64::try_from(buffer.offset()).ok().and_then(|at| body.checked_add(at));
            let Some((at, len)) = place.zip(u64::try_from(buffer.length()).ok()) else {
                return Ok(Some(format!("buffer {number} has a negative size")));
            };
            if len == 0 {
                continue;
            }
            let Some(prefix) = self.bytes(at, 8)? else {
                return Ok(Some(format!("buffer {number} ends behind the file")));
            };
            let prefix = prefix.first_chunk().copied().unwrap_or_default();
            let plain = i64::from_le_bytes(prefix);
            let most = match codec.codec() {
                CompressionType::LZ4_FRAME => len.saturating_mul(LZ4_RATIO),
                _ => MOST,
            };
            if plain < -1 || plain > i64::try_from(most).unwrap_or(i64::MAX) {
                return Ok(Some(format!(
                    "buffer {number} of {len} bytes claims to hold {plain} bytes"
                )));
            }
        }
        Ok(None)
    }
}
