//! Evaluation of many documents against one compiled set of policies, on all cores.
//!
//! A document is parsed once, and the context that all documents share is added to it. The error of a rule that
//! fails is reported under the name of that rule. Each shard of modules has an engine of its own, because an
//! evaluation takes longer the more modules its engine holds. Threads share no programs: the counters of references to
//! the values of a program would move between the caches of the processors, which takes as long as the evaluation.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, OnceLock};
use std::{env, thread};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use regorus::rvm::{Program, RegoVM};
use regorus::{Engine, Value};

use crate::source::{self, Modules};
use crate::{builtins, input, machine};

/// Programs of one shard. With more threads, several share one.
const MAX_PROGRAMS: usize = 8;

/// Name, path and shard of a rule.
pub type RuleQuery = (String, String, usize);

/// Rules that are evaluated together.
pub enum Shard {
    /// Rego that the interpreter evaluates.
    Modules(Modules),
    /// Output of `machine::compile`.
    ByteCode(Vec<u8>),
}

enum Compiled {
    Tree(Box<Engine>),
    ByteCode(Programs),
}

/// Programs with the same byte code, one for each thread that evaluates them.
struct Programs {
    byte_code: Vec<u8>,
    first: Arc<Program>,
    others: [OnceLock<Arc<Program>>; MAX_PROGRAMS],
}

/// Compiled modules of one shard as a thread evaluates them.
enum Evaluator {
    Interpreter(Box<Engine>),
    Machine(Box<RegoVM>),
}

/// Compiled modules with groups of rules to evaluate together.
pub struct PolicySet {
    compiled: Arc<[Compiled]>,
    groups: Arc<[Vec<RuleQuery>]>,
    context: Value,
}

impl PolicySet {
    /// Compile the modules of each shard. The fields of `context`, a JSON object, are part of every document.
    pub fn compile(
        shards: Vec<Shard>,
        groups: Vec<Vec<RuleQuery>>,
        context: &str,
    ) -> anyhow::Result<Self> {
        if let Some((name, _, shard)) = groups
            .iter()
            .flatten()
            .find(|(.., shard)| *shard >= shards.len())
        {
            anyhow::bail!("{name}: no shard {shard}");
        }
        let first = |shard: usize| groups.iter().flatten().find(|query| query.2 == shard);
        let compiled = threads()?.install(|| {
            let shards = shards.into_par_iter().enumerate();
            shards
                .map(|(number, shard)| compile_shard(shard, first(number)))
                .collect::<anyhow::Result<Vec<_>>>()
        })?;
        Ok(Self {
            compiled: compiled.into(),
            groups: groups.into(),
            context: input::parse_context(context)?,
        })
    }

    /// Return the same policies with another context. Nothing is compiled again.
    pub fn with_context(&self, context: &str) -> anyhow::Result<Self> {
        Ok(Self {
            compiled: self.compiled.clone(),
            groups: self.groups.clone(),
            context: input::parse_context(context)?,
        })
    }

    /// Evaluate each (document as JSON, group numbers). Returns for each document None if every rule of the groups
    /// is empty or undefined, else JSON `{"name": value}`; the value of a rule that failed is `{"error": "message"}`.
    pub fn evaluate(
        &self,
        documents: &[(Vec<u8>, Vec<usize>)],
    ) -> anyhow::Result<Vec<Option<String>>> {
        threads()?.install(|| {
            documents
                .par_iter()
                .map_init(
                    || self.compiled.iter().map(|_| None).collect::<Vec<_>>(),
                    |evaluators, (document, groups)| {
                        self.evaluate_document(evaluators, document, groups)
                    },
                )
                .collect()
        })
    }

    fn evaluate_document(
        &self,
        evaluators: &mut [Option<Evaluator>],
        document: &[u8],
        groups: &[usize],
    ) -> anyhow::Result<Option<String>> {
        let input = self.add_context(document);
        let mut current = usize::MAX;
        let mut outcome = String::new();
        for number in groups {
            let group = self
                .groups
                .get(*number)
                .ok_or_else(|| anyhow::anyhow!("no group {number}"))?;
            for (name, path, shard) in group {
                let value = match &input {
                    Ok(input) => {
                        let evaluator = evaluators[*shard]
                            .get_or_insert_with(|| Evaluator::start(&self.compiled[*shard]));
                        if *shard != current {
                            evaluator.set_input(input.clone());
                            current = *shard;
                        }
                        evaluate_rule(evaluator, path).and_then(|value| non_empty(&value))
                    }
                    // A document that cannot be read fails every rule.
                    Err(error) => Err(anyhow::anyhow!("{error:#}")),
                };
                let value = match value {
                    Ok(None) => continue,
                    Ok(Some(value)) => value,
                    Err(error) => {
                        let message = serde_json::to_string(&format!("{error:#}"))?;
                        format!("{{\"error\":{message}}}")
                    }
                };
                append_field(&mut outcome, &serde_json::to_string(name)?, &value);
            }
        }
        Ok((!outcome.is_empty()).then(|| outcome + "}"))
    }

    /// Parse a document and add the context. A reference to `data` would walk over all modules, one to `input`
    /// does not; the fields are shared, not copied.
    fn add_context(&self, document: &[u8]) -> anyhow::Result<Value> {
        let mut input = input::parse(std::str::from_utf8(document)?)?;
        let fields = input.as_object_mut()?;
        for (name, value) in self.context.as_object()?.iter() {
            fields.insert(name.clone(), value.clone());
        }
        Ok(input)
    }
}

/// Evaluate one rule. The refusal of a built-in is an error even if another body of the function has a value, and
/// a panic of the interpreter is an error of this rule only.
fn evaluate_rule(evaluator: &mut Evaluator, path: &str) -> anyhow::Result<Value> {
    builtins::take_refusal();
    let value = catch_unwind(AssertUnwindSafe(|| evaluator.evaluate(path)))
        .unwrap_or_else(|_| Err(anyhow::anyhow!("the evaluation broke down")))?;
    match builtins::take_refusal() {
        Some(refusal) => Err(anyhow::anyhow!(refusal)),
        None => Ok(value),
    }
}

/// Return a rule's value as JSON, without the empty fields of an object; None if nothing is left.
fn non_empty(value: &Value) -> anyhow::Result<Option<String>> {
    let Value::Object(fields) = value else {
        return Ok(match is_empty(value) {
            true => None,
            false => Some(serde_json::to_string(value)?),
        });
    };
    let mut kept = String::new();
    for (name, field) in fields.iter().filter(|(_, field)| !is_empty(field)) {
        let name = serde_json::to_string(name.as_string()?.as_ref())?;
        append_field(&mut kept, &name, &serde_json::to_string(field)?);
    }
    Ok((!kept.is_empty()).then(|| kept + "}"))
}

/// Append a field, both parts as JSON, to an object that is not closed yet; an empty text begins one.
fn append_field(object: &mut String, name: &str, value: &str) {
    object.push(if object.is_empty() { '{' } else { ',' });
    object.push_str(name);
    object.push(':');
    object.push_str(value);
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Undefined => true,
        Value::Set(members) => members.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

impl Programs {
    /// Load byte code, the output of `machine::compile`.
    fn load(byte_code: Vec<u8>) -> anyhow::Result<Self> {
        let first = machine::load(&byte_code)?;
        Ok(Self {
            byte_code,
            first,
            others: Default::default(),
        })
    }

    /// Return the program of the current thread.
    fn get(&self) -> &Arc<Program> {
        match rayon::current_thread_index().unwrap_or_default() % MAX_PROGRAMS {
            0 => &self.first,
            number => self.others[number].get_or_init(|| {
                machine::load(&self.byte_code).unwrap_or_else(|_| self.first.clone())
            }),
        }
    }
}

impl Evaluator {
    fn start(compiled: &Compiled) -> Self {
        match compiled {
            Compiled::Tree(engine) => Self::Interpreter(engine.clone()),
            Compiled::ByteCode(programs) => Self::Machine(Box::new(machine::start(programs.get()))),
        }
    }

    fn set_input(&mut self, input: Value) {
        match self {
            Self::Interpreter(engine) => engine.set_input(input),
            Self::Machine(machine) => machine.set_input(input),
        }
    }

    fn evaluate(&mut self, path: &str) -> anyhow::Result<Value> {
        match self {
            Self::Interpreter(engine) => engine.eval_rule(path.to_string()),
            Self::Machine(machine) => Ok(machine.execute_entry_point_by_name(path)?),
        }
    }
}

fn compile_shard(shard: Shard, rule: Option<&RuleQuery>) -> anyhow::Result<Compiled> {
    match shard {
        Shard::Modules(modules) => {
            prepare_engine(modules, rule).map(|engine| Compiled::Tree(Box::new(engine)))
        }
        Shard::ByteCode(byte_code) => Programs::load(byte_code).map(Compiled::ByteCode),
    }
}

/// Make an engine with `modules`. One of its rules is evaluated, so that clones share the finished analysis.
fn prepare_engine(modules: Modules, rule: Option<&RuleQuery>) -> anyhow::Result<Engine> {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(false);
    builtins::install(&mut engine, false)?;
    source::lift_length_limits(&mut engine);
    for (path, text) in source::prepare(modules, false)?.texts {
        engine.add_policy(path, text)?;
    }
    engine.set_input(Value::new_object());
    if let Some((_, path, _)) = rule {
        // An error on the empty document is ignored: real documents report theirs.
        let _ = engine.eval_rule(path.clone());
    }
    Ok(engine)
}

/// Return the threads for all evaluations: one for each processor, or fewer if `RAYON_NUM_THREADS` is lower. Each thread
/// has engines of its own, so a higher number would take memory without limit.
fn threads() -> anyhow::Result<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let requested = env::var("RAYON_NUM_THREADS")
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|number| *number > 0);
        let count = requested.map_or(processors, |number: usize| number.min(processors));
        ThreadPoolBuilder::new().num_threads(count).build().ok()
    });
    pool.as_ref()
        .ok_or_else(|| anyhow::anyhow!("cannot start threads"))
}
