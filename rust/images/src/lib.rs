//! One pass over a layer of a container image: digests, entries, and the content that proves packages.
//!
//! Input is hostile: every size is checked before memory is reserved, and memory does not depend on the size of the layer.
//! Opens no files except temporary ones and those of a given folder, runs nothing, and knows no package format except the
//! build information in executables and the directories of Java archives.

mod code;
mod collector;
mod content;
mod dotnet;
mod error;
mod executable;
mod folder;
mod go;
mod go_variables;
mod header;
mod java;
mod layer;
mod limits;
mod paths;
mod pax;
mod pclntab;
mod selection;
mod sparse;
mod stream;
mod symbols;
mod tar;
mod unpack;
mod zip;

pub use aho_corasick::AhoCorasick;
pub use collector::{FileMode, Layer, Request, SelectedFile};
pub use content::{ContentStore, Kept};
pub use error::{Error, Result};
pub use executable::Executable;
pub use folder::read_folder;
pub use go_variables::LinkedValue;
pub use java::Archive;
pub use layer::read_layer;
pub use limits::Limits;
pub use selection::Selection;
pub use stream::Digests;
