//! Indexes as files, so that each is built once.

use super::lab_error;
use crate::judge::JudgeError;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes that all indexes together may take up.
const ROOM: u64 = 4 << 30;

/// A folder of indexes, named by all that they depend on: they serve the candidates to come, the gate,
/// and the campaign that goes on tomorrow.
pub(super) struct IndexCache(PathBuf);

impl IndexCache {
    pub(super) fn new(folder: &Path) -> Self {
        Self(folder.join("indexes"))
    }

    /// Where the index called `name` is or will be. Where room is short, those that nobody asked for
    /// longest are gone afterwards.
    pub(super) fn place(&self, name: u64) -> Result<PathBuf, JudgeError> {
        fs::create_dir_all(&self.0).map_err(lab_error)?;
        let place = self.0.join(format!("{name:016x}"));
        if let Ok(file) = File::options().append(true).open(&place) {
            file.set_modified(SystemTime::now()).map_err(lab_error)?;
        }
        self.clear(ROOM).map_err(lab_error)?;
        Ok(place)
    }

    fn clear(&self, mut room: u64) -> std::io::Result<()> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let (entry, about) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
            all.push((about.modified()?, about.len(), entry));
        }
        all.sort_by(|a, b| b.cmp(a));
        for (_, bytes, path) in all {
            match room.checked_sub(bytes) {
                Some(left) => room = left,
                None => fs::remove_file(path)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_longest_unused_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let indexes = IndexCache::new(folder.path());
        let places = [1, 2, 3].map(|name| indexes.place(name).unwrap());
        for (age, place) in places.iter().enumerate() {
            fs::write(place, [0; 100]).unwrap();
            let then = SystemTime::now() - Duration::from_secs(100 + age as u64);
            File::options().append(true).open(place).unwrap().set_modified(then).unwrap();
        }
        // The oldest is asked for, so the second oldest is the first to go.
        assert_eq!(indexes.place(3).unwrap(), places[2]);
        indexes.clear(250).unwrap();
        assert_eq!(places.each_ref().map(|place| place.exists()), [true, false, true]);
        indexes.clear(99).unwrap();
        assert_eq!(fs::read_dir(&indexes.0).unwrap().count(), 0);
    }
}
