//! GraphQL text to tokens. Commas are white space; so is a byte order mark.

use anyhow::{bail, Result};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A punctuator, by its first character.
    Mark(char),
    Name,
    Int,
    Float,
    Text,
    Block,
    End,
}

impl Kind {
    pub fn shown(self) -> String {
        match self {
            Self::Mark('.') => "...".into(),
            Self::Mark(mark) => mark.into(),
            Self::Name => "Name".into(),
            Self::Int => "Int".into(),
            Self::Float => "Float".into(),
            Self::Text => "String".into(),
            Self::Block => "BlockString".into(),
            Self::End => "<EOF>".into(),
        }
    }
}

#[derive(Debug)]
pub struct Token {
    pub kind: Kind,
    /// The value; empty for punctuators.
    pub text: String,
    pub line: usize,
    pub column: usize,
    /// Whether comments stand before it.
    pub commented: bool,
}

struct Lexer {
    characters: Vec<char>,
    at: usize,
    line: usize,
    start_of_line: usize,
}

/// All tokens of a text, the end among them.
pub fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut lexer = Lexer {
        characters: text.chars().collect(),
        at: 0,
        line: 1,
        start_of_line: 0,
    };
    let mut found = Vec::new();
    loop {
        let token = lexer.token()?;
        let last = token.kind == Kind::End;
        found.push(token);
        if last {
            return Ok(found);
        }
    }
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn starts(&self, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(index, character)| self.peek(index) == Some(character))
    }

    fn wrong<T>(&self, message: &str) -> Result<T> {
        bail!(
            "{message} in GraphQL string at location {}:{}",
            self.line,
            self.at - self.start_of_line + 1
        )
    }

    fn new_line(&mut self) {
        self.line += 1;
        self.start_of_line = self.at;
    }

    /// White space and comments; tells whether there were comments.
    fn skip(&mut self) -> bool {
        let mut commented = false;
        while let Some(character) = self.peek(0) {
            match character {
                '\t' | ' ' | ',' | '\u{feff}' => self.at += 1,
                '\n' => {
                    self.at += 1;
                    self.new_line();
                }
                '\r' => {
                    self.at += 1;
                    self.new_line();
                    self.at += usize::from(self.peek(0) == Some('\n'));
                }
                '#' => {
                    commented = true;
                    self.at += 1;
                    while self.peek(0).is_some_and(|c| c > '\u{1f}' || c == '\t') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
        commented
    }

    fn token(&mut self) -> Result<Token> {
        let commented = self.skip();
        let (line, column) = (self.line, self.at - self.start_of_line + 1);
        let (kind, text) = self.read()?;
        Ok(Token {
            kind,
            text,
            line,
            column,
            commented,
        })
    }

    fn read(&mut self) -> Result<(Kind, String)> {
        let Some(first) = self.peek(0) else {
            return Ok((Kind::End, String::new()));
        };
        match first {
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '}' | '|' => {
                self.at += 1;
                Ok((Kind::Mark(first), String::new()))
            }
            '.' if self.starts("...") => {
                self.at += 3;
                Ok((Kind::Mark('.'), String::new()))
            }
            '_' | 'a'..='z' | 'A'..='Z' => {
                let name = self.run(|c| c == '_' || c.is_ascii_alphanumeric());
                Ok((Kind::Name, name))
            }
            '-' | '0'..='9' => self.number(),
            '"' if self.starts("\"\"\"") => Ok((Kind::Block, self.block()?)),
            '"' => Ok((Kind::Text, self.string()?)),
            _ => self.wrong("Cannot parse the unexpected character"),
        }
    }

    fn run(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
        self.characters
            .get(start..self.at)
            .unwrap_or_default()
            .iter()
            .collect()
    }

    fn digits(&mut self) -> Result<String> {
        let found = self.run(|c| c.is_ascii_digit());
        if found.is_empty() {
            return self.wrong("Invalid number, expected digit");
        }
        Ok(found)
    }

    fn number(&mut self) -> Result<(Kind, String)> {
        let mut text = String::new();
        let mut kind = Kind::Int;
        if self.peek(0) == Some('-') {
            self.at += 1;
            text.push('-');
        }
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with('0') {
            return self.wrong("Invalid number, unexpected digit after 0");
        }
        text.push_str(&whole);
        if self.peek(0) == Some('.') {
            self.at += 1;
            kind = Kind::Float;
            text.push('.');
            text.push_str(&self.digits()?);
        }
        if let Some(exponent @ ('e' | 'E')) = self.peek(0) {
            self.at += 1;
            kind = Kind::Float;
            text.push(exponent);
            if let Some(sign @ ('-' | '+')) = self.peek(0) {
                self.at += 1;
                text.push(sign);
            }
            text.push_str(&self.digits()?);
        }
        Ok((kind, text))
    }

    fn string(&mut self) -> Result<String> {
        self.at += 1;
        let mut found = String::new();
        while let Some(character) = self.peek(0) {
            match character {
                '\n' | '\r' => break,
                '"' => {
                    self.at += 1;
                    return Ok(found);
                }
                '\\' => found.push(self.escape()?),
                c if c < ' ' && c != '\t' => return self.wrong("Invalid character within String"),
                c => {
                    self.at += 1;
                    found.push(c);
                }
            }
        }
        self.wrong("Unterminated string")
    }

    fn escape(&mut self) -> Result<char> {
        let found = match self.peek(1) {
            Some(c @ ('"' | '/' | '\\')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let mut code = 0;
                for ahead in 2..6 {
                    match self.peek(ahead).and_then(|c| c.to_digit(16)) {
                        Some(digit) => code = code * 16 + digit,
                        None => return self.wrong("Invalid character escape sequence"),
                    }
                }
                self.at += 4;
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return self.wrong("Invalid character escape sequence"),
        };
        self.at += 2;
        Ok(found)
    }

    fn block(&mut self) -> Result<String> {
        self.at += 3;
        let mut raw = String::new();
        while let Some(character) = self.peek(0) {
            if character == '"' {
                let quotes = self.run(|c| c == '"');
                match quotes.len().checked_sub(3) {
                    Some(extra) => {
                        raw.push_str(&"\"".repeat(extra));
                        return Ok(without_indent(&raw));
                    }
                    None => raw.push_str(&quotes),
                }
                continue;
            }
            if self.starts("\\\"\"\"") {
                self.at += 4;
                raw.push_str("\"\"\"");
                continue;
            }
            self.at += 1;
            match character {
                '\r' => {
                    self.at += usize::from(self.peek(0) == Some('\n'));
                    raw.push('\n');
                    self.new_line();
                }
                '\n' => {
                    raw.push('\n');
                    self.new_line();
                }
                c if c < ' ' && c != '\t' => return self.wrong("Invalid character within String"),
                c => raw.push(c),
            }
        }
        self.wrong("Unterminated string")
    }
}

/// The value of a block string: without the indentation that all lines share, which the first line
/// keeps, and without blank lines at both ends.
fn without_indent(raw: &str) -> String {
    let indent = |line: &str| line.find(|c| c != ' ' && c != '\t');
    let common = raw.split('\n').filter_map(indent).min().unwrap_or(0);
    let lines: Vec<&str> = raw
        .split('\n')
        .enumerate()
        .map(|(number, line)| match number {
            0 => line,
            _ => line.get(common..).unwrap_or_default(),
        })
        .collect();
    let first = lines.iter().position(|line| indent(line).is_some());
    let last = lines.iter().rposition(|line| indent(line).is_some());
    match (first, last) {
        (Some(first), Some(last)) => lines.get(first..=last).unwrap_or_default().join("\n"),
        _ => String::new(),
    }
}
