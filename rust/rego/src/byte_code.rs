//! Rewriting of modules for the compiler of byte code, which differs from OPA where the interpreter does not.

use crate::edits::{rewrite, Rewriting};
use crate::failure::Failure;
use crate::source::{parse_module, prepare, Modules, Prepared};

/// Prepare modules, and rewrite what regorus executes otherwise than OPA as byte code:
///
/// - `x := e` succeeds if `e` is undefined;
/// - a body with a loop over nothing is not followed by its `else`;
/// - a condition that fails in a comprehension without a loop ends the loop around the comprehension;
/// - an undefined value becomes an element of a comprehension;
/// - an index in `every` is taken for a loop;
/// - `some x in e` is false if `e` is text or a number, where the interpreter fails;
/// - `input` is read where it is used first, even if that is skipped, and not again;
/// - sets with a variable in their name, and defaults of functions, are ignored: refused.
///
/// References through an import are written in full: through the import, all rules of the package would be evaluated.
pub fn prepare_for_byte_code(modules: Modules) -> Result<Modules, Failure> {
    let Prepared { texts, .. } = prepare(modules, false)?;
    texts
        .into_iter()
        .map(|(name, text)| {
            let (text, tree) = parse_module(&name, text, false)?;
            let mut text = rewrite(text, &tree, |edits, tree| edits.alternatives(tree))?;
            loop {
                // Inner comprehensions first: the rewriting of the outer one moves their text.
                let (current, tree) = parse_module(&name, text, false)?;
                text = rewrite(current.clone(), &tree, |edits, tree| {
                    edits.rewriting = Rewriting::Values;
                    edits.module(tree);
                })?;
                if text == current {
                    break;
                }
            }
            for rewriting in [Rewriting::Quantifiers, Rewriting::Loops] {
                let (current, tree) = parse_module(&name, text, false)?;
                text = rewrite(current, &tree, |edits, tree| {
                    edits.rewriting = rewriting;
                    edits.module(tree);
                })?;
            }
            let (current, tree) = parse_module(&name, text, false)?;
            let text = rewrite(current, &tree, |edits, tree| edits.inputs(tree))?;
            let (current, tree) = parse_module(&name, text, false)?;
            let text = rewrite(current, &tree, |edits, tree| edits.imports(tree))?;
            Ok((name, text))
        })
        .collect()
}
