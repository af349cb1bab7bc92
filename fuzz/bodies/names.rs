//! Names of rows: the file of them beside an index, and lists of those that may be answered.

use super::script::{Script, change, path};
use crinoid_files::{FileError, Ids, Names, listed, names};
use std::{fs, path::Path};

/// Names as people have them, some of which look alike.
const WORDS: [&str; 12] = [
    "a",
    "b",
    " a",
    "a ",
    "",
    "7",
    "07",
    "-1",
    "row 3",
    "ü\u{301}",
    "\"q\"\n",
    "18446744073709551615",
];

/// The digest of an index.
const DIGEST: u64 = 0x0123_4567_89ab_cdef;

fn check_error(error: &FileError, path: &Path) {
    let text = error.to_string();
    let name = path.file_name().unwrap().to_string_lossy();
    assert!(text.contains(&*name), "the file is not named: {text}");
}

/// Some names, no two alike; none where the script wants rows that are called by their numbers.
fn some(script: &mut Script<'_>, rows: usize) -> Option<Names> {
    let ids = match script.byte() % 3 {
        0 => return None,
        1 => Ids::Numbers((0..rows).map(|_| script.below(1 << 20) as u64).collect()),
        _ => Ids::Texts((0..rows).map(|_| script.pick(&WORDS).to_owned()).collect()),
    };
    match Names::new(ids) {
        Ok(names) => Some(names),
        Err((first, second)) => {
            assert!(first < second && second < rows);
            None
        }
    }
}

/// Writes names, changes the file as the bytes say, and reads it; then reads the rest as a list of rows.
pub fn run(data: &[u8]) -> bool {
    let mut script = Script(data);
    let rows = script.below(6);
    // Without rows, nobody can tell numbers from texts.
    let given = some(&mut script, rows).filter(|_| rows > 0);
    let index = path("fuzz.crinoid");
    names::save(&index, DIGEST, given.as_ref()).unwrap();
    assert_eq!(names::load(&index, DIGEST, rows).unwrap(), given);
    let beside = names::path_of(&index);
    let mut read = true;
    if given.is_some() {
        let mut bytes = fs::read(&beside).unwrap();
        for _ in 0..script.byte() % 4 {
            change(&mut script, &mut bytes);
        }
        fs::write(&beside, &bytes).unwrap();
        match names::load(&index, DIGEST, rows) {
            Ok(found) => {
                let found = found.unwrap();
                assert_eq!(found.ids().len(), rows);
                for row in 0..rows {
                    let name = found.ids().text(row).unwrap();
                    assert_eq!(found.row_of(&name), Some(row as u32), "{name:?}");
                }
                names::save(&index, DIGEST, Some(&found)).unwrap();
                assert_eq!(names::load(&index, DIGEST, rows).unwrap(), Some(found));
            }
            Err(error) => {
                check_error(&error, &beside);
                read = false;
            }
        }
    }
    let list = path(script.pick(&["list.txt", "list.ivecs", "list.ibin", "list.npy"]));
    fs::write(&list, script.rest()).unwrap();
    match listed(&list, rows, given.as_ref()) {
        Ok(named) => {
            assert!(named.len() == rows && named.contains(&true));
            read
        }
        Err(error) => {
            check_error(&error, &list);
            false
        }
    }
}
