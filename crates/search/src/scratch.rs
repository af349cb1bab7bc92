//! The memory that a thread searches with.

use std::{any::Any, fmt};

/// Values of any types, one of each, made when they are first asked for and kept from then on.
#[derive(Default)]
pub(crate) struct Kept(Vec<Box<dyn Any + Send>>);

impl Kept {
    /// The value of type `T`, in whatever state its last use left it.
    pub(crate) fn get<T: Any + Send + Default>(&mut self) -> &mut T {
        let known = self.0.iter().position(|value| value.is::<T>());
        let place = known.unwrap_or_else(|| {
            self.0.push(Box::new(T::default()));
            self.0.len() - 1
        });
        match self.0[place].downcast_mut() {
            Some(value) => value,
            None => unreachable!("the value at this place is of the type looked for"),
        }
    }
}

/// The memory that a thread searches with. One serves any number of engines, one query at a time;
/// it grows on first use and is never given back.
#[derive(Default)]
pub struct Scratch {
    /// One encoded query per codec that came along.
    pub(crate) queries: Kept,
    /// One memory per search that came along.
    pub(crate) memories: Kept,
    /// What a search found: packed `(key, id)`.
    pub(crate) found: Vec<u64>,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (codecs, searches) = (self.queries.0.len(), self.memories.0.len());
        write!(f, "Scratch({codecs} codecs, {searches} searches)")
    }
}
