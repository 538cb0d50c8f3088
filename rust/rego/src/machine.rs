//! Byte code of rules: several times faster than the interpreter, with the same values for rules that were compared.
//!
//! The compiler of regorus differs from OPA where it is not corrected here (`byte_code`), so byte code
//! is for rules only whose values were compared with those of the interpreter. Calls of built-ins go to the functions of
//! this crate, as in the interpreter.

use std::sync::Arc;

use anyhow::anyhow;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::program::{DeserializationResult, RuleInfo};
use regorus::rvm::{Program, RegoVM};
use regorus::Engine;

use crate::builtins;
use crate::byte_code::prepare_for_byte_code;
use crate::source::{self, Modules};

/// Instructions that the evaluation of one rule may take: seconds. A rule of the library takes thousands.
const MAX_INSTRUCTIONS: usize = 100_000_000;

/// Compile modules to byte code with an entry point for each of the rule paths.
pub fn compile(modules: Modules, paths: &[&str]) -> anyhow::Result<Vec<u8>> {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(false);
    source::lift_length_limits(&mut engine);
    for (path, text) in prepare_for_byte_code(modules)? {
        engine.add_policy(path, text)?;
    }
    let first = paths.first().copied().unwrap_or_default();
    let policy = engine.compile_with_entrypoint(&first.into())?;
    let program = Compiler::compile_from_policy(&policy, paths)?;
    let mut program = Arc::try_unwrap(program).unwrap_or_else(|shared| (*shared).clone());
    // Only listings for people need them.
    program.sources.clear();
    program.instruction_spans.clear();
    program.serialize_binary().map_err(|error| anyhow!(error))
}

/// Load byte code that `compile` returned. Calls of built-ins go to the functions of this crate where it has them.
pub fn load(data: &[u8]) -> anyhow::Result<Arc<Program>> {
    let result = Program::deserialize_binary(data)
        .map_err(|error| anyhow!("the byte code cannot be read: {error}"))?;
    let DeserializationResult::Complete(mut program) = result else {
        return Err(anyhow!("the byte code is of another version"));
    };
    let infos = program.builtin_info_table.iter();
    for (info, resolved) in infos.zip(program.resolved_builtins.iter_mut()) {
        if let Some(function) = builtins::resolve(&info.name) {
            *resolved = function;
        }
    }
    program.rule_infos.iter_mut().for_each(shorten);
    Ok(Arc::new(program))
}

/// Drop what evaluation does not need from the description of a rule: each call copies the description.
fn shorten(rule: &mut RuleInfo) {
    rule.name = String::new();
    if let Some(function) = &mut rule.function_info {
        function.param_names = Vec::new();
    }
    if rule.destructuring_blocks.iter().all(Option::is_none) {
        rule.destructuring_blocks = Vec::new();
    }
    if !rule.else_bodies.iter().flatten().any(|is_else| *is_else) {
        rule.else_bodies = Vec::new();
    }
}

/// Make a machine for `program`. Machines are not shared between threads.
pub fn start(program: &Arc<Program>) -> RegoVM {
    let mut machine = RegoVM::new();
    machine.load_program(program.clone());
    machine.set_max_instructions(MAX_INSTRUCTIONS);
    machine
}
