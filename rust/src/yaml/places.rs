//! From bytes to characters: libyaml-rs counts its marks in bytes of UTF-8, everyone else in code points.

const BLOCK: usize = 64;

/// How many characters start before each byte of a text.
pub struct Places {
    text: Box<str>,
    /// The characters before each block of bytes; empty for ASCII, where both counts are the same.
    before: Vec<u32>,
}

impl Places {
    /// Of a text of at most 2**32 - 1 bytes.
    pub fn new(text: &str) -> Self {
        let mut before = Vec::new();
        if !text.is_ascii() {
            before.reserve(text.len() / BLOCK + 1);
            let mut count = 0;
            for block in text.as_bytes().chunks(BLOCK) {
                before.push(count);
                count += starts(block);
            }
        }
        Self {
            text: text.into(),
            before,
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The index in characters of a byte; beyond the text, that of its end.
    pub fn character(&self, byte: u64) -> u32 {
        let length = self.text.len();
        let byte = usize::try_from(byte).map_or(length, |byte| byte.min(length));
        let Some(last) = self.before.len().checked_sub(1) else {
            return u32::try_from(byte).unwrap_or(u32::MAX);
        };
        let block = (byte / BLOCK).min(last);
        self.before[block] + starts(&self.text.as_bytes()[block * BLOCK..byte])
    }
}

/// How many characters start in these bytes.
fn starts(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .map(|byte| u32::from(byte & 0xC0 != 0x80))
        .sum()
}
