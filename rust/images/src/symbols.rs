//! Import paths and symbols of the functions in a Go executable, as records of the Go vulnerability database write them:
//! `golang.org/x/net/html` and `Tokenizer.Next` for `golang.org/x/net/html.(*Tokenizer).Next`.
//!
//! Knows nothing of packages of modules. Names of the compiler for parts of a function count for the function.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::limits::MAX_FUNCTIONS;

/// Parts between dots of the name of a function.
const MAX_PARTS: usize = 64;

/// Functions of every executable with a Go runtime. Without them, its runtime is in a shared library, or a program
/// renamed functions.
const RUNTIME: [&str; 3] = ["runtime.goexit", "runtime.gopanic", "runtime.mallocgc"];

/// Number of the import path, receiver (empty for functions) and name of a function or method.
type Symbol<'a> = (usize, &'a str, &'a str);

/// The number of the empty path, which is an unknown one.
const UNKNOWN: usize = 0;

/// Return the symbols of functions by import path. Each line has a path and, after tabs, a receiver with a dot and the
/// names of its methods with commas between them: `net/http<TAB>.Get,Head<TAB>Header.Add,Del`.
///
/// The first line has an empty path: functions of which only a function literal is left under the name of another
/// function. `names` have zero bytes after them. None if they are not those of a complete executable.
pub fn list_symbols(names: &[u8]) -> Option<String> {
    let names = std::str::from_utf8(names).ok()?;
    let mut missing = RUNTIME.to_vec();
    let mut functions = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        missing.retain(|function| *function != name);
        functions.push(remove_type_arguments(name)?);
        if functions.len() > MAX_FUNCTIONS {
            return None;
        }
    }
    if !missing.is_empty() {
        return None;
    }
    let mut paths = Paths::new();
    let mut symbols = Vec::with_capacity(functions.len());
    let mut literals = Vec::new();
    for (path, name) in functions.iter().filter_map(|name| split_path(name)) {
        let path = paths.number(path);
        let parts = split_parts(name)?;
        if parts.iter().any(|part| is_literal(part)) {
            literals.push((path, name));
        } else {
            add_symbol(path, &parts, &mut symbols);
        }
    }
    symbols.sort_unstable();
    symbols.dedup();
    let mut others = Vec::new();
    for (path, name) in literals {
        add_literal(path, &split_parts(name)?, &symbols, &mut others);
        if others.len() > MAX_FUNCTIONS {
            return None;
        }
    }
    symbols.append(&mut others);
    symbols.sort_unstable();
    symbols.dedup();
    Some(paths.format(&symbols))
}

/// Numbers of import paths. Numbers are faster to compare than paths with the same start.
struct Paths<'a> {
    numbers: HashMap<&'a str, usize>,
    last: (&'a str, usize),
}

impl<'a> Paths<'a> {
    fn new() -> Self {
        Self {
            numbers: HashMap::from([("", UNKNOWN)]),
            last: ("", UNKNOWN),
        }
    }

    fn number(&mut self, path: &'a str) -> usize {
        // Functions of a package are next to each other.
        if self.last.0 != path {
            let next = self.numbers.len();
            self.last = (path, *self.numbers.entry(path).or_insert(next));
        }
        self.last.1
    }

    /// Return the text of sorted symbols.
    fn format(self, symbols: &[Symbol<'_>]) -> String {
        let mut lines = Vec::new();
        let mut groups = symbols.chunk_by(|left, right| left.0 == right.0).peekable();
        let mut paths: Vec<_> = self.numbers.into_iter().collect();
        paths.sort_unstable_by_key(|(_, number)| *number);
        for (path, number) in paths {
            if let Some(group) = groups.next_if(|group| group[0].0 == number) {
                let mut line = unescape(path).into_owned();
                for methods in group.chunk_by(|left, right| left.1 == right.1) {
                    let names: Vec<_> = methods.iter().map(|(_, _, name)| *name).collect();
                    line += &format!("\t{}.{}", methods[0].1, names.join(","));
                }
                lines.push(line);
            }
        }
        lines.sort_unstable();
        lines.join("\n")
    }
}

/// Return a name without the type arguments of generic functions: `T[...]`, or since Go 1.26 the arguments themselves,
/// with texts in tags of structures. None if brackets do not match.
fn remove_type_arguments(name: &str) -> Option<Cow<'_, str>> {
    if !name.contains(['[', ']']) {
        return Some(Cow::Borrowed(name));
    }
    let mut kept = String::with_capacity(name.len());
    let mut depth = 0usize;
    let mut is_text = false;
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if is_text => {
                characters.next();
            }
            '"' if depth > 0 => is_text = !is_text,
            '[' if !is_text => depth += 1,
            ']' if !is_text => depth = depth.checked_sub(1)?,
            _ if depth == 0 => kept.push(character),
            _ => {}
        }
    }
    (depth == 0).then_some(Cow::Owned(kept))
}

/// Return the import path as the linker escapes it, and the name in the package. None for names that the linker makes up,
/// such as `type:.eq.net/url.URL`, and for functions of C and assembly without a package.
fn split_path(name: &str) -> Option<(&str, &str)> {
    let end = name.find('(').unwrap_or(name.len());
    let start = name[..end].rfind('/').map_or(0, |slash| slash + 1);
    let dot = start + name[start..].find('.')?;
    let (path, rest) = (&name[..dot], &name[dot + 1..]);
    // Before Go 1.20, these names began with `go.` and `type..`.
    let is_made_up = matches!(path, "" | "go" | "type")
        || path.starts_with("type..")
        || path.contains(|character: char| {
            character.is_control() || character == ' ' || "(){}*:,;\"".contains(character)
        });
    (!is_made_up).then_some((path, rest))
}

/// Return a path without the escapes of the linker: `gopkg.in/yaml%2ev3` is `gopkg.in/yaml.v3`.
fn unescape(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if first == b'%' && byte > b' ' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(path), Cow::Owned)
}

/// Split `(*T).Method.func1` at its dots: `(*T)`, `Method`, `func1`. None if it has too many.
fn split_parts(name: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        if parts.len() == MAX_PARTS {
            return None;
        }
        let end = match rest.strip_prefix('(').and_then(|inner| inner.find(')')) {
            Some(end) => end + 2,
            None => rest.find('.').unwrap_or(rest.len()),
        };
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    Some(parts)
}

/// Return True for the number of a function literal or of similar code: `func1`, `gowrap2`, `0` in `init.0`.
fn is_number(part: &str) -> bool {
    let word = part.trim_end_matches(|character: char| character.is_ascii_digit());
    word.len() < part.len() && matches!(word, "" | "func" | "gowrap" | "deferwrap" | "wrap")
}

/// Return True for a part that shows that the name is one of code in a function, such as the body of a loop: `Seq-range1`.
fn is_literal(part: &str) -> bool {
    // The start of `-` and `·`.
    let mark = memchr::memchr2(b'-', 0xc2, part.as_bytes()).map_or("", |start| &part[start..]);
    is_number(part) || mark.starts_with("-range") || mark.starts_with("·dwrap")
}

/// Return the identifier in a part: of a receiver, a method value (`Get-fm`) or a local type (`reader·1`). Empty if there
/// is none.
fn identifier(part: &str) -> &str {
    let part = part.trim_matches(|character| matches!(character, '(' | ')' | '*'));
    let end = part.find(['-', '·']).unwrap_or(part.len());
    let name = &part[..end];
    let is_valid = |character: char| character.is_alphanumeric() || character == '_';
    if name.chars().all(is_valid) {
        name
    } else {
        ""
    }
}

/// Add the symbol that a name in a package begins with; return the number of its parts.
fn add_symbol<'a>(path: usize, parts: &[&'a str], symbols: &mut Vec<Symbol<'a>>) -> usize {
    let names: Vec<_> = parts
        .iter()
        .take_while(|part| !is_number(part))
        .map(|part| identifier(part))
        .take(2)
        .collect();
    match names[..] {
        [receiver, method] if !receiver.is_empty() && !method.is_empty() => {
            symbols.push((path, receiver, method));
        }
        [function] if !function.is_empty() => symbols.push((path, "", function)),
        _ => {}
    }
    names.len()
}

/// Add the symbols of a name with a function literal. If the compiler inlines a function into another one, its literals
/// get the names of both: `main.serve.New.func1` is a literal of a function `New` of any package.
fn add_literal<'a>(
    path: usize,
    parts: &[&'a str],
    known: &[Symbol<'a>],
    symbols: &mut Vec<Symbol<'a>>,
) {
    let count = add_symbol(path, parts, symbols);
    let is_pointer = |part: &str| part.starts_with('(');
    let is_method = count == 2
        && (is_pointer(parts[0])
            || known
                .binary_search(&(path, identifier(parts[0]), identifier(parts[1])))
                .is_ok());
    let rest = if is_method { 2 } else { count.min(1) };
    if count == 2 && !is_method {
        symbols.push((path, "", identifier(parts[0])));
    }
    let mut previous = "";
    for part in &parts[rest..] {
        let name = if is_number(part) {
            ""
        } else {
            identifier(part)
        };
        let receiver = identifier(previous);
        if !name.is_empty() && !receiver.is_empty() {
            symbols.push((UNKNOWN, receiver, name));
        }
        if !name.is_empty() && !is_pointer(part) && !is_pointer(previous) {
            symbols.push((UNKNOWN, "", name));
        }
        previous = if name.is_empty() { "" } else { part };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Return the lines of the names with those of a runtime, without the runtime's line.
    fn list(names: &[&str]) -> Option<Vec<String>> {
        let names = [&RUNTIME, names].concat().join("\0") + "\0";
        let text = list_symbols(names.as_bytes())?;
        let lines = text.lines().filter(|line| !line.starts_with("runtime\t"));
        Some(lines.map(|line| line.replace('\t', " ")).collect())
    }

    #[test]
    fn names_of_functions() {
        for (name, line) in [
            (
                "golang.org/x/net/html.Parse",
                "golang.org/x/net/html .Parse",
            ),
            (
                "golang.org/x/net/html.(*Tokenizer).Next",
                "golang.org/x/net/html Tokenizer.Next",
            ),
            ("net/http.Header.Get", "net/http Header.Get"),
            ("net/http.Header.Get-fm", "net/http Header.Get"),
            ("net/http.(*Client).Do-fm", "net/http Client.Do"),
            (
                "gopkg.in/yaml%2ev3.Unmarshal",
                "gopkg.in/yaml.v3 .Unmarshal",
            ),
            (
                "go.uber.org/zap.(*Logger).Info",
                "go.uber.org/zap Logger.Info",
            ),
            ("github.com/%c3%a9/x.F", "github.com/é/x .F"),
            ("a/b%2.F", "a/b%2 .F"),
            ("slices.Sort[...]", "slices .Sort"),
            ("main.(*T[...]).Add", "main T.Add"),
            (
                "a/b.Map[go.shape.[]x/y.T,go.shape.struct { F int \"json:\\\"]\\\"\" }]",
                "a/b .Map",
            ),
            (
                "a/b.(*Set[go.shape.struct { G x/y.S[int] \"[\" }]).Has",
                "a/b Set.Has",
            ),
            (
                "mime/multipart.(*writerOnly·1).Write",
                "mime/multipart writerOnly.Write",
            ),
            ("path.init", "path .init"),
            ("path.init.0", "path .init"),
            ("path.init.0.func1", "path .init"),
            ("path.F.func1.2", "path .F"),
            ("path.F.gowrap1", "path .F"),
            ("path.(*T).M.deferwrap1", "path T.M"),
            ("path.F·dwrap·1", "path .F"),
            ("path.Seq-range1", "path .Seq"),
            ("path.(*T).All-range1.func2", "path T.All"),
            ("path.F32", "path .F32"),
        ] {
            assert_eq!(list(&[name]).unwrap(), [line], "{name}");
        }
    }

    #[test]
    fn names_without_a_package() {
        let names = [
            "memeqbody",
            "_rt0_amd64_linux",
            "type:.eq.net/url.URL",
            "type..eq.[...]net/url.URL",
            "type..hash.struct { a/b.T }",
            "go:(*struct { net/http.Flusher }).Flush",
            "go.(*struct { net/http.Flusher }).Flush",
            "go.struct { net/http.Flusher }.Flush",
            ".",
            "..",
            "x.(",
            "x.()",
            "x.\u{1}",
            "(*T).x",
        ];
        assert_eq!(list(&names).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn literals_of_inlined_functions() {
        let inlined = |name: &str| list(&[name]).unwrap()[0].clone();
        assert_eq!(inlined("main.main.New.func1"), " .New");
        assert_eq!(inlined("main.init.New.func1"), " .New");
        assert_eq!(inlined("main.main.func3.New.gowrap2"), " .New");
        assert_eq!(inlined("main.(*T).M.(*U).N.func1"), " U.N");
        assert_eq!(inlined("main.main.All-range1"), " .All");
        assert_eq!(
            inlined("main.main.Option.Size.func1"),
            " .Option,Size Option.Size"
        );
        let text = list(&["main.T.M", "main.T.M.func1", "main.F.New.func1"]).unwrap();
        assert_eq!(text, [" .New", "main .F F.New T.M"]);
    }

    #[test]
    fn lines_are_sorted_and_distinct() {
        let text = list(&["b.F", "a.T.B", "a.(*T).B", "a.T.A", "a.S.X", "a.F", "a.E"]).unwrap();
        assert_eq!(text, ["a .E,F S.X T.A,B", "b .F"]);
    }

    #[test]
    fn incomplete_tables_are_unknown() {
        assert!(list_symbols(b"main.main\0").is_none());
        assert!(list_symbols(b"").is_none());
        assert!(list(&["main.T[int"]).is_none());
        assert!(list(&["main.T]"]).is_none());
        assert!(list(&[&".x".repeat(MAX_PARTS)]).is_some());
        assert!(list(&[&format!("a{}", ".x".repeat(MAX_PARTS + 1))]).is_none());
        let names = [RUNTIME.join("\0").as_bytes(), b"\0\xff.x\0"].concat();
        assert!(list_symbols(&names).is_none());
    }
}
