//! Safe interface to libyaml's events: the only module that uses its pointers.
//!
//! Invariants of the unsafe code:
//! - the parser is in a box of its own, because libyaml keeps a pointer to it, and is deleted exactly once, on drop;
//! - the text is owned together with the parser and never changed, so the parser's pointers into it remain valid;
//! - an event is initialised by `yaml_parser_parse` before it is read, and deleted exactly once, before the next event
//!   is requested or on drop; the result of `next` borrows `self`, so it cannot outlive its event;
//! - after an error the parser is not called again.

use std::borrow::Cow;
use std::ffi::{c_char, CStr};
use std::mem::MaybeUninit;

use libyaml_rs as sys;

/// Event with the character indices of its start and its end (exclusive).
pub struct Event<'a> {
    pub kind: Kind<'a>,
    pub start: u32,
    pub end: u32,
}

pub enum Kind<'a> {
    DocumentStart,
    DocumentEnd,
    StreamEnd,
    Alias(Cow<'a, str>),
    /// Scalar. `is_plain`: the text decides the type, because there are no quotes and no tag, or the tag `!`.
    Scalar {
        text: Cow<'a, str>,
        tag: Option<Cow<'a, str>>,
        anchor: Option<Cow<'a, str>>,
        is_plain: bool,
    },
    Open {
        is_mapping: bool,
        anchor: Option<Cow<'a, str>>,
    },
    Close,
    /// The start of the stream.
    Other,
}

/// Error message of libyaml with its character index.
pub struct SyntaxError {
    pub message: String,
    pub at: u32,
}

/// libyaml compares each `%TAG` directive with all previous ones; real files have very few.
const MAX_DIRECTIVES: usize = 1_000;

/// Events of one text.
pub struct Events {
    parser: Box<MaybeUninit<sys::yaml_parser_t>>,
    event: Option<sys::yaml_event_t>,
    is_over: bool,
    index: CharacterIndex,
    /// Number of bytes hidden from the parser: those of a byte order mark.
    skipped: u64,
}

// SAFETY: the pointers of parser and event refer to memory that only this value owns and that is not bound to a thread.
unsafe impl Send for Events {}
// SAFETY: a shared reference gives access to nothing.
unsafe impl Sync for Events {}

impl Events {
    pub fn new(text: &str) -> Self {
        let mut events = Self {
            parser: Box::new(MaybeUninit::uninit()),
            event: None,
            is_over: false,
            index: CharacterIndex::new(text),
            skipped: 0,
        };
        let text = &*events.index.text;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let (start, length) = (text.as_ptr(), text.len() as u64);
        events.skipped = (events.index.text.len() - text.len()) as u64;
        let parser = events.parser.as_mut_ptr();
        // SAFETY: the parser is initialised first; the text lives as long as the parser and does not move.
        unsafe {
            // Cannot fail: the process ends if memory is exhausted.
            let _ = sys::yaml_parser_initialize(parser);
            sys::yaml_parser_set_encoding(parser, sys::YAML_UTF8_ENCODING);
            sys::yaml_parser_set_input_string(parser, start, length);
        }
        events
    }

    /// Return an error for a text that would take libyaml quadratic time.
    pub fn check_directives(&self) -> Option<SyntaxError> {
        let text = &self.index.text;
        let starts_line = |at: usize| match text.as_bytes()[..at].last() {
            // Some line ends are not ASCII.
            Some(before) => matches!(before, b'\n' | b'\r' | 0x80..),
            None => true,
        };
        let directives = text.match_indices("%TAG").map(|(at, _)| at);
        let at = directives
            .filter(|at| starts_line(*at))
            .nth(MAX_DIRECTIVES)?;
        Some(SyntaxError {
            message: format!("more than {MAX_DIRECTIVES} %TAG directives: not read"),
            at: self.index.character(at as u64),
        })
    }

    /// Return the next event; after the end of the stream or an error, always the end of the stream.
    pub fn next(&mut self) -> Result<Event<'_>, SyntaxError> {
        self.delete_event();
        if self.is_over {
            return Ok(Event {
                kind: Kind::StreamEnd,
                start: 0,
                end: 0,
            });
        }
        let mut event = MaybeUninit::<sys::yaml_event_t>::uninit();
        // SAFETY: the parser is initialised; parse writes the whole event, also when it fails.
        let event = unsafe {
            if sys::yaml_parser_parse(self.parser.as_mut_ptr(), event.as_mut_ptr()).fail {
                self.is_over = true;
                return Err(self.error());
            }
            event.assume_init()
        };
        self.is_over = event.type_ == sys::YAML_STREAM_END_EVENT;
        let start = self.character(event.start_mark.index);
        let end = self.character(event.end_mark.index);
        let event = self.event.insert(event);
        // SAFETY: the event is initialised, and borrowed until the next call.
        let kind = unsafe { kind(event) };
        Ok(Event { kind, start, end })
    }

    /// Convert the parser's byte index to a character index.
    fn character(&self, byte: u64) -> u32 {
        self.index.character(self.skipped + byte)
    }

    fn delete_event(&mut self) {
        if let Some(mut event) = self.event.take() {
            // SAFETY: the event came from the parser and was taken out, so this happens once.
            unsafe { sys::yaml_event_delete(&mut event) };
        }
    }

    /// Return the parser's error in one line, with its character index.
    fn error(&self) -> SyntaxError {
        // SAFETY: the parser is initialised; its messages are static strings or null.
        let (error, context, problem, offset, mark) = unsafe {
            let parser = self.parser.assume_init_ref();
            let mark = parser.problem_mark.index;
            let (context, problem) = (message(parser.context), message(parser.problem));
            (parser.error, context, problem, parser.problem_offset, mark)
        };
        if error == sys::YAML_READER_ERROR {
            return SyntaxError {
                message: format!("not YAML: {}", problem.unwrap_or("unreadable")),
                at: self.character(offset),
            };
        }
        let parts: Vec<&str> = [context, problem].into_iter().flatten().collect();
        SyntaxError {
            message: format!("not YAML: {}", parts.join(", ")),
            at: self.character(mark),
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.delete_event();
        // SAFETY: initialised in `new`, and deleted here only.
        unsafe { sys::yaml_parser_delete(self.parser.as_mut_ptr()) };
    }
}

/// SAFETY: the event must be an event of the parser that is not deleted yet.
unsafe fn kind(event: &sys::yaml_event_t) -> Kind<'_> {
    let data = &event.data;
    match event.type_ {
        sys::YAML_SCALAR_EVENT => {
            let scalar = &data.scalar;
            let length = usize::try_from(scalar.length).unwrap_or(0);
            Kind::Scalar {
                // Costs nothing for valid UTF-8, and libyaml yields only that.
                text: String::from_utf8_lossy(std::slice::from_raw_parts(scalar.value, length)),
                tag: text(scalar.tag),
                anchor: text(scalar.anchor),
                is_plain: scalar.plain_implicit,
            }
        }
        sys::YAML_MAPPING_START_EVENT => Kind::Open {
            is_mapping: true,
            anchor: text(data.mapping_start.anchor),
        },
        sys::YAML_SEQUENCE_START_EVENT => Kind::Open {
            is_mapping: false,
            anchor: text(data.sequence_start.anchor),
        },
        sys::YAML_MAPPING_END_EVENT | sys::YAML_SEQUENCE_END_EVENT => Kind::Close,
        sys::YAML_ALIAS_EVENT => Kind::Alias(text(data.alias.anchor).unwrap_or_default()),
        sys::YAML_DOCUMENT_START_EVENT => Kind::DocumentStart,
        sys::YAML_DOCUMENT_END_EVENT => Kind::DocumentEnd,
        sys::YAML_STREAM_END_EVENT | sys::YAML_NO_EVENT => Kind::StreamEnd,
        _ => Kind::Other,
    }
}

/// SAFETY: null, or a zero-terminated string that lives as long as the event. The escapes of a tag can yield invalid
/// UTF-8.
unsafe fn text<'a>(start: *const u8) -> Option<Cow<'a, str>> {
    if start.is_null() {
        return None;
    }
    Some(CStr::from_ptr(start.cast::<c_char>()).to_string_lossy())
}

/// SAFETY: null, or a static zero-terminated string.
unsafe fn message(start: *const i8) -> Option<&'static str> {
    if start.is_null() {
        return None;
    }
    CStr::from_ptr(start.cast::<c_char>()).to_str().ok()
}

/// Bytes per entry of a character index.
const BLOCK: usize = 64;

/// Conversion of byte indices to character indices: libyaml-rs counts bytes of UTF-8, Python counts code points.
struct CharacterIndex {
    text: Box<str>,
    /// Number of characters before each block of bytes; empty for ASCII, where both counts are equal.
    before: Vec<u32>,
}

impl CharacterIndex {
    /// Index a text of at most 2**32 - 1 bytes.
    fn new(text: &str) -> Self {
        let mut before = Vec::new();
        if !text.is_ascii() {
            before.reserve(text.len() / BLOCK + 1);
            let mut count = 0;
            for block in text.as_bytes().chunks(BLOCK) {
                before.push(count);
                count += count_characters(block);
            }
        }
        Self {
            text: text.into(),
            before,
        }
    }

    /// Return the character index of a byte; for a byte beyond the text, the index of its end.
    fn character(&self, byte: u64) -> u32 {
        let length = self.text.len();
        let byte = usize::try_from(byte).map_or(length, |byte| byte.min(length));
        let Some(last) = self.before.len().checked_sub(1) else {
            return u32::try_from(byte).unwrap_or(u32::MAX);
        };
        let block = (byte / BLOCK).min(last);
        self.before[block] + count_characters(&self.text.as_bytes()[block * BLOCK..byte])
    }
}

/// Count the characters that start in these bytes.
fn count_characters(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .map(|byte| u32::from(byte & 0xC0 != 0x80))
        .sum()
}
