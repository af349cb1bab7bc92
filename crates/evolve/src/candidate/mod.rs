//! From source text to a subject that can be measured, without trusting the text.
//!
//! | file | what is in it |
//! |---|---|
//! | `scan.rs` | [`scan()`]: what a source file must not contain, found token by token |
//! | `sandbox.rs` | [`Sandbox`]: a program run with limits and without a network |
//! | `package.rs` | [`Package`]: the generated packages and their compilation |

pub mod package;
pub mod sandbox;
pub mod scan;

pub use package::{Package, PackageError, Workshop};
pub use sandbox::{Network, Sandbox, SandboxError};
pub use scan::{Finding, Rules, scan};
