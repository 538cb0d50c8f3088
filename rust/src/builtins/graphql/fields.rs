//! Rules about all the fields that a set of selections has, those of its fragments among them.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::query::Check;
use super::schema::type_name;
use super::{list, named, text};

type Fragments<'a> = HashMap<&'a str, &'a Json>;

/// Lists of types inside of each other that an introspection may ask for, less one.
const MOST_LISTS: usize = 3;

/// Fields that are looked at to count those lists.
const MOST_STEPS: usize = 100_000;

/// All selections below, in no order.
fn below<'a>(selections: &'a [Json]) -> Vec<&'a Json> {
    let mut found: Vec<&'a Json> = Vec::new();
    let mut open: Vec<&'a Json> = selections.iter().collect();
    while let Some(selection) = open.pop() {
        found.push(selection);
        open.extend(list(selection, "SelectionSet"));
    }
    found
}

fn is_spread(selection: &Json) -> bool {
    selection.get("Alias").is_none() && selection.get("TypeCondition").is_none()
}

/// Whether a fragment contains itself. Found by taking away what contains nothing that is left.
pub fn circular(fragments: &Fragments<'_>) -> bool {
    let mut left: HashMap<&str, Vec<&str>> = fragments
        .iter()
        .map(|(name, fragment)| {
            let spreads = below(list(fragment, "SelectionSet"))
                .into_iter()
                .filter(|selection| is_spread(selection))
                .map(|selection| text(selection, "Name"));
            (*name, spreads.collect())
        })
        .collect();
    loop {
        let done: Vec<&str> = left
            .iter()
            .filter(|(_, spreads)| spreads.iter().all(|name| !left.contains_key(name)))
            .map(|(name, _)| *name)
            .collect();
        if done.is_empty() {
            return !left.is_empty();
        }
        left.retain(|name, _| !done.contains(name));
    }
}

/// The fields of a set with the type each is selected on, fragments opened.
fn fields<'a>(
    check: &mut Check<'a>,
    parent: Option<&'a Json>,
    selections: &'a [Json],
) -> Vec<(Option<&'a Json>, &'a Json)> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut open: Vec<(Option<&'a Json>, &'a [Json])> = vec![(parent, selections)];
    while let Some((parent, selections)) = open.pop() {
        if !check.affords(selections.len() + 1) {
            break;
        }
        for selection in selections {
            let mut inner = selection;
            if selection.get("Alias").is_some() {
                found.push((parent, selection));
                continue;
            }
            if is_spread(selection) {
                let name = text(selection, "Name");
                match check.fragments.get(name) {
                    Some(fragment) if seen.insert(name) => inner = fragment,
                    _ => continue,
                }
            }
            let parent = match text(inner, "TypeCondition") {
                "" => parent,
                condition => check.schema.named(condition),
            };
            open.push((parent, list(inner, "SelectionSet")));
        }
    }
    found
}

/// Fields of one name in the answer must be one field. Whether different ones can be merged is not
/// told here.
pub fn overlap<'a>(check: &mut Check<'a>, parent: Option<&'a Json>, selections: &'a [Json]) {
    let mut open = vec![(parent, selections)];
    while let Some((parent, selections)) = open.pop() {
        let known = parent.map_or(0, |parent| list(parent, "Fields").len());
        if !check.affords(known.saturating_mul(selections.len())) {
            return;
        }
        let mut seen: HashMap<&str, (Option<&Json>, &Json)> = HashMap::new();
        for (parent, field) in fields(check, parent, selections) {
            let first = *seen.entry(text(field, "Alias")).or_insert((parent, field));
            let same = ["Name", "Arguments", "SelectionSet"]
                .iter()
                .all(|part| first.1.get(part) == field.get(part));
            if !same
                || first.0.map(|kind| text(kind, "Name")) != parent.map(|kind| text(kind, "Name"))
            {
                check.unsure("a GraphQL query with different fields of one name");
            }
        }
        for selection in below_here(check, parent, selections) {
            open.push(selection);
        }
    }
}

/// The sets of the fields of a set, fragments by name left out: they are looked at alone.
fn below_here<'a>(
    check: &Check<'a>,
    parent: Option<&'a Json>,
    selections: &'a [Json],
) -> Vec<(Option<&'a Json>, &'a [Json])> {
    let mut found = Vec::new();
    let mut open = vec![(parent, selections)];
    while let Some((parent, selections)) = open.pop() {
        for selection in selections {
            let inner = list(selection, "SelectionSet");
            if selection.get("Alias").is_some() {
                let kind = parent
                    .and_then(|parent| named(list(parent, "Fields"), text(selection, "Name")))
                    .and_then(|field| field.get("Type"))
                    .and_then(|kind| check.schema.named(type_name(kind)));
                if !inner.is_empty() {
                    found.push((kind, inner));
                }
            } else if !is_spread(selection) {
                let kind = match text(selection, "TypeCondition") {
                    "" => parent,
                    condition => check.schema.named(condition),
                };
                open.push((kind, inner));
            }
        }
    }
    found
}

/// The names of the fields at the top of a subscription.
pub fn top<'a>(selections: &'a [Json], fragments: &Fragments<'a>) -> HashSet<&'a str> {
    let (mut names, mut seen) = (HashSet::new(), HashSet::new());
    let mut open: Vec<&'a Json> = selections.iter().collect();
    while let Some(selection) = open.pop() {
        let name = text(selection, "Name");
        if selection.get("Alias").is_some() {
            names.insert(name);
        } else if !is_spread(selection) {
            open.extend(list(selection, "SelectionSet"));
        } else if let (true, Some(fragment)) = (seen.insert(name), fragments.get(name)) {
            open.extend(list(fragment, "SelectionSet"));
        }
    }
    names
}

/// Whether an introspection asks for too many lists inside of each other; None when that takes too
/// long to tell.
pub fn too_deep(field: &Json, fragments: &Fragments<'_>) -> Option<bool> {
    let mut open: Vec<(&Json, usize, Vec<&str>)> = vec![(field, 0, vec![])];
    for _ in 0..MOST_STEPS {
        let Some((selection, mut lists, mut inside)) = open.pop() else {
            return Some(false);
        };
        let name = text(selection, "Name");
        let mut inner = list(selection, "SelectionSet");
        if selection.get("Alias").is_some() {
            let counted = ["fields", "interfaces", "possibleTypes", "inputFields"];
            lists += usize::from(counted.contains(&name));
            if lists >= MOST_LISTS {
                return Some(true);
            }
        } else if is_spread(selection) {
            match fragments.get(name) {
                Some(fragment) if !inside.contains(&name) => {
                    inner = list(fragment, "SelectionSet");
                    inside.push(name);
                }
                _ => continue,
            }
        }
        open.extend(inner.iter().map(|next| (next, lists, inside.clone())));
    }
    None
}
