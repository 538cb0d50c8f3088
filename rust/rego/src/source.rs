//! Reading of modules, with the few Rego constructs rewritten that regorus cannot parse or evaluates wrongly.
//!
//! A module is parsed, the spans to change are taken from its syntax tree, and the text between them is kept, so that
//! line numbers do not change.

use std::num::{NonZeroU32, NonZeroUsize};

use regorus::unstable::{Lexer, Module, Parser, Source, Token, TokenKind};
use regorus::{Engine, PolicyLengthConfig};

use crate::check::{check, check_query};
use crate::edits::{apply, rewrite, Edits};
use crate::failure::Failure;
use crate::references::Visitor;
use crate::syntax;

/// Modules as (path, source).
pub type Modules = Vec<(String, String)>;

/// Sources longer than this are refused; lines may be as long as the source.
const MAX_BYTES: usize = 16 << 20;

/// Maximum number of brackets that are open at once.
const MAX_NESTED: usize = 500;

/// regorus' parser reads the contents of a bracket or brace once as a literal and once as a comprehension, so that its
/// work doubles with each level. This many units take seconds.
const MAX_PARSING: u64 = 1 << 20;

/// Accept long lines and long sources: generated rules have both.
pub fn lift_length_limits(engine: &mut Engine) {
    engine.set_policy_length_config(PolicyLengthConfig {
        max_col: NonZeroU32::MAX,
        max_file_bytes: NonZeroUsize::MIN.saturating_add(MAX_BYTES),
        max_lines: NonZeroUsize::MIN.saturating_add(MAX_BYTES),
    });
}

/// Check the modules of one evaluation together and rewrite them for the engine.
pub fn prepare(modules: Modules, v0: bool) -> Result<Prepared, Failure> {
    let (mut texts, mut trees) = (Vec::new(), Vec::new());
    for (name, text) in modules {
        check_nesting(&name, &text)?;
        syntax::check_imports(&name, &text)?;
        let (text, tree) = parse_module(&name, text, v0)?;
        let mut heads = Edits::new(&text);
        heads.heads(&tree);
        let heads = heads.finish()?;
        let text = if heads.is_empty() {
            rewrite(text, &tree, |edits, tree| edits.module(tree))?
        } else {
            let (text, tree) = parse_module(&name, apply(text, heads), v0)?;
            rewrite(text, &tree, |edits, tree| edits.module(tree))?
        };
        texts.push((name, text));
        trees.push(tree);
    }
    check(&trees)?;
    Ok(Prepared { texts, trees })
}

/// Rewritten sources by name, and the syntax trees of the original sources.
pub struct Prepared {
    pub texts: Vec<(String, String)>,
    pub trees: Vec<Module>,
}

/// Parse a module, appending `= true` to functions that are only a head with constants, `f("x")`.
pub fn parse_module(name: &str, text: String, v0: bool) -> Result<(String, Module), Failure> {
    let (ends, failure) = {
        let source = source(name, &text)?;
        let mut parser = parser(&source, v0)?;
        let mut failure = match parser.parse() {
            Ok(module) => return Ok((text, module)),
            Err(error) => locate(Failure::parse(&error), &mut parser),
        };
        let tokens = tokens(&source);
        let mut ends = Vec::new();
        while let Some(end) = find_head_end(&failure, &tokens) {
            ends.push(end);
            failure = find_next_failure(&mut parser);
        }
        // Where the last failure is the end of the text, all rules but the heads have been read.
        if ends.is_empty() || find_token(&failure, &tokens) < tokens.len() {
            return Err(syntax::explain(failure, &text));
        }
        (ends, failure)
    };
    let edits = ends
        .into_iter()
        .map(|end| (end, end, " = true".to_string()));
    let text = apply(text, edits.collect());
    let source = source(name, &text)?;
    match parser(&source, v0)?.parse() {
        Ok(module) => Ok((text, module)),
        // The location in the text without additions.
        Err(_) => Err(syntax::explain(failure, &text)),
    }
}

/// Continue after a rule that is only a head: the parser has read it. The end of the text is a failure too.
fn find_next_failure(parser: &mut Parser<'_>) -> Failure {
    loop {
        if let Err(error) = parser.parse_rule() {
            return locate(Failure::parse(&error), parser);
        }
    }
}

/// Add the position of the parser to a failure without location.
fn locate(failure: Failure, parser: &mut Parser<'_>) -> Failure {
    if failure.position().0 > 0 {
        return failure;
    }
    // Fails at the current token.
    match parser.parse_package() {
        Err(error) => failure.move_to(Failure::parse(&error)),
        Ok(_) => failure,
    }
}

/// Return the tokens up to the first invalid one.
fn tokens(source: &Source) -> Vec<Token> {
    let mut lexer = Lexer::new(source);
    lexer.set_max_col(NonZeroU32::MAX);
    std::iter::from_fn(|| lexer.next_token().ok())
        .take_while(|token| token.0 != TokenKind::Eof)
        .collect()
}

/// Return the index of the token at the location of a failure, or of the next one.
fn find_token(failure: &Failure, tokens: &[Token]) -> usize {
    tokens.partition_point(|Token(_, span)| (span.line, span.col) < failure.position())
}

/// Return the end of the function head that the parser reports to have no body.
fn find_head_end(failure: &Failure, tokens: &[Token]) -> Option<usize> {
    if !failure.message().contains("must have a body or assignment") {
        return None;
    }
    let mut depth = 0_usize;
    let mut expects_name = true;
    let mut is_call = false;
    for Token(kind, span) in tokens.get(find_token(failure, tokens)..)? {
        let symbol = match kind {
            TokenKind::Symbol => span.text(),
            _ => "",
        };
        match symbol {
            "(" | "[" | "{" => {
                is_call |= depth == 0 && symbol == "(";
                depth += 1;
            }
            ")" | "]" | "}" => {
                depth = depth.checked_sub(1)?;
                if depth == 0 && is_call {
                    return Some(span.end as usize);
                }
            }
            _ if depth > 0 => {}
            "." => expects_name = true,
            // Only parts of the name may come before the arguments: `a == f(b)` is not the head of a function.
            _ if expects_name && *kind == TokenKind::Ident => expects_name = false,
            _ => return None,
        }
    }
    None
}

/// Check a query and rewrite it for the engine.
pub fn prepare_query(text: String, trees: &[Module]) -> Result<String, Failure> {
    check_nesting("query", &text)?;
    let edits = {
        let source = source("query", &text)?;
        let mut parser = parser(&source, false)?;
        let query = parser
            .parse_user_query()
            .map_err(|error| syntax::explain(Failure::parse(&error), &text))?;
        check_query(&query, trees)?;
        let mut edits = Edits::new(&text);
        edits.query(&query);
        edits.finish()?
    };
    Ok(apply(text, edits))
}

fn source(name: &str, text: &str) -> Result<Source, Failure> {
    let limit = NonZeroUsize::MIN.saturating_add(MAX_BYTES);
    Source::from_contents_with_limits(name.into(), text.into(), limit, limit)
        .map_err(|error| Failure::parse(&error))
}

fn parser(source: &Source, v0: bool) -> Result<Parser<'_>, Failure> {
    let mut parser = Parser::new(source).map_err(|error| Failure::parse(&error))?;
    parser.set_max_col(NonZeroU32::MAX);
    if !v0 {
        parser
            .enable_rego_v1()
            .map_err(|error| Failure::parse(&error))?;
    }
    Ok(parser)
}

fn check_nesting(name: &str, text: &str) -> Result<(), Failure> {
    let (mut open, mut line, mut work) = (Vec::new(), 1_u32, 0_u64);
    let mut doubling = 0_u32;
    let (mut end_of_text, mut is_escaped) = (None, false);
    for byte in text.bytes() {
        line = line.saturating_add(u32::from(byte == b'\n'));
        // Brackets in strings and comments, as in regular expressions, are not parsed.
        if let Some(end) = end_of_text {
            if is_escaped {
                is_escaped = false;
            } else if byte == b'\\' && end == b'"' {
                is_escaped = true;
            } else if byte == end || (byte == b'\n' && end == b'"') {
                end_of_text = None;
            }
            continue;
        }
        match byte {
            b'#' => end_of_text = Some(b'\n'),
            b'"' | b'`' => end_of_text = Some(byte),
            b'(' => open.push(byte),
            b'[' | b'{' => {
                open.push(byte);
                doubling += 1;
                work = work.saturating_add(1_u64.checked_shl(doubling).unwrap_or(u64::MAX));
            }
            b')' | b']' | b'}' => {
                let doubled = open.pop().is_some_and(|opened| opened != b'(');
                doubling -= u32::from(doubled);
            }
            _ => {}
        }
        if open.len() > MAX_NESTED || work > MAX_PARSING {
            let message = "too many brackets inside of each other to be read".into();
            return Err(Failure::at("rego_parse_error", message, name, line, 1));
        }
    }
    Ok(())
}
