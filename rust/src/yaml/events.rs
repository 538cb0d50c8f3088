//! libyaml's events, safely: the only module that touches its pointers.
//!
//! Invariants that the unsafe code keeps:
//! - the parser lives in a box of its own, because libyaml keeps a pointer to it, and is deleted exactly once, on drop;
//! - the text is owned beside the parser and never changed, so the parser's pointers into it stay good;
//! - an event is initialised by `yaml_parser_parse` before it is looked at, and deleted exactly once, before the
//!   next one is asked for or on drop; what `next` lends borrows `self`, so none of it outlives its event;
//! - after an error the parser is not asked again.

use std::borrow::Cow;
use std::ffi::{c_char, CStr};
use std::mem::MaybeUninit;

use libyaml_rs as sys;

use super::places::Places;

/// An event with the indices, in characters, of its first character and of that after its last one.
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
    /// `is_plain` says that the text decides the meaning: no quotes and no tag, or the tag `!`.
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

/// What libyaml says against a text, and where.
pub struct SyntaxError {
    pub message: String,
    pub at: u32,
}

/// libyaml compares each `%TAG` directive with all before it; nobody writes more than a handful.
const MOST_DIRECTIVES: usize = 1_000;

/// The events of one text.
pub struct Events {
    parser: Box<MaybeUninit<sys::yaml_parser_t>>,
    event: Option<sys::yaml_event_t>,
    is_over: bool,
    places: Places,
    /// The bytes before what the parser sees: a byte order mark is no text.
    skipped: u64,
}

// SAFETY: the pointers of parser and event lead to memory that this value owns alone and no thread is special to.
unsafe impl Send for Events {}
// SAFETY: nothing can be done with a shared reference.
unsafe impl Sync for Events {}

impl Events {
    pub fn new(text: &str) -> Self {
        let mut events = Self {
            parser: Box::new(MaybeUninit::uninit()),
            event: None,
            is_over: false,
            places: Places::new(text),
            skipped: 0,
        };
        let text = events.places.text();
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let (start, length) = (text.as_ptr(), text.len() as u64);
        events.skipped = (events.places.text().len() - text.len()) as u64;
        let parser = events.parser.as_mut_ptr();
        // SAFETY: the parser is initialised first; the text lives as long as the parser and does not move.
        unsafe {
            // It cannot fail: without memory the process ends.
            let _ = sys::yaml_parser_initialize(parser);
            sys::yaml_parser_set_encoding(parser, sys::YAML_UTF8_ENCODING);
            sys::yaml_parser_set_input_string(parser, start, length);
        }
        events
    }

    /// What a text asks of libyaml that would take it the square of the text's size.
    pub fn excess(&self) -> Option<SyntaxError> {
        let text = self.places.text();
        let starts_line = |at: usize| match text.as_bytes()[..at].last() {
            // Some line ends are not ASCII.
            Some(before) => matches!(before, b'\n' | b'\r' | 0x80..),
            None => true,
        };
        let directives = text.match_indices("%TAG").map(|(at, _)| at);
        let at = directives
            .filter(|at| starts_line(*at))
            .nth(MOST_DIRECTIVES)?;
        Some(SyntaxError {
            message: format!("more than {MOST_DIRECTIVES} %TAG directives: not read"),
            at: self.places.character(at as u64),
        })
    }

    /// The next event; after the end of the stream or an error, ends of the stream.
    pub fn next(&mut self) -> Result<Event<'_>, SyntaxError> {
        self.forget();
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
        let start = self.place(event.start_mark.index);
        let end = self.place(event.end_mark.index);
        let event = self.event.insert(event);
        // SAFETY: the event is initialised, and borrowed until the next call.
        let kind = unsafe { kind(event) };
        Ok(Event { kind, start, end })
    }

    /// The index in characters of the parser's index in bytes.
    fn place(&self, byte: u64) -> u32 {
        self.places.character(self.skipped + byte)
    }

    fn forget(&mut self) {
        if let Some(mut event) = self.event.take() {
            // SAFETY: it came from the parser and was taken out, so this happens once.
            unsafe { sys::yaml_event_delete(&mut event) };
        }
    }

    /// The parser's error in one line, with its place.
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
                at: self.place(offset),
            };
        }
        let parts: Vec<&str> = [context, problem].into_iter().flatten().collect();
        SyntaxError {
            message: format!("not YAML: {}", parts.join(", ")),
            at: self.place(mark),
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.forget();
        // SAFETY: initialised in `new`, and deleted here only.
        unsafe { sys::yaml_parser_delete(self.parser.as_mut_ptr()) };
    }
}

/// SAFETY: the event must be one of the parser's that is not deleted yet.
unsafe fn kind(event: &sys::yaml_event_t) -> Kind<'_> {
    let data = &event.data;
    match event.type_ {
        sys::YAML_SCALAR_EVENT => {
            let scalar = &data.scalar;
            let length = usize::try_from(scalar.length).unwrap_or(0);
            Kind::Scalar {
                // Lossy costs nothing for text that is UTF-8, and libyaml gives no other.
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

/// SAFETY: null, or a string with a zero at its end that lives as long as the event. The escapes of a tag can
/// spell what is not UTF-8.
unsafe fn text<'a>(start: *const u8) -> Option<Cow<'a, str>> {
    if start.is_null() {
        return None;
    }
    Some(CStr::from_ptr(start.cast::<c_char>()).to_string_lossy())
}

/// SAFETY: null, or a static string with a zero at its end.
unsafe fn message(start: *const i8) -> Option<&'static str> {
    if start.is_null() {
        return None;
    }
    CStr::from_ptr(start.cast::<c_char>()).to_str().ok()
}
