use super::*;
use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    number: u32,
    text: String,
}

fn note(number: u32) -> Note {
    Note { number, text: format!("brace }} quote \" line\nfeed ünïcode {number}") }
}

fn written(count: u32) -> Vec<u8> {
    (0..count).flat_map(|i| line(&note(i)).unwrap().into_bytes()).collect()
}

#[test]
fn what_was_appended_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/notes.jsonl");
    let (mut journal, contents) = Journal::open::<Note>(&path).unwrap();
    assert!(contents.records.is_empty());
    for i in 0..5 {
        journal.append(&note(i)).unwrap();
    }
    assert!(matches!(Journal::open::<Note>(&path), Err(JournalError::Busy(_))));
    drop(journal);
    assert_eq!(std::fs::read(&path).unwrap(), written(5));
    let (_journal, contents) = Journal::open::<Note>(&path).unwrap();
    assert_eq!(contents.records, (0..5).map(note).collect::<Vec<_>>());
    assert!(contents.damaged.is_empty());
    for text in std::fs::read_to_string(&path).unwrap().lines() {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert!(value["record"]["number"].is_number());
    }
}

#[test]
fn truncation_at_every_byte_loses_only_the_torn_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.jsonl");
    let torn_path = folder.path().join("notes.jsonl.torn");
    let bytes = written(4);
    let ends: Vec<usize> =
        bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at).collect();
    for cut in 0..=bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let _ = std::fs::remove_file(&torn_path);
        // A line whose line feed alone is missing is whole.
        let whole = ends.iter().filter(|&&end| end <= cut).count();
        let torn = cut > 0 && !ends.contains(&cut) && !ends.contains(&(cut - 1));
        let (mut journal, contents) = Journal::open::<Note>(&path).unwrap();
        assert_eq!(contents.records, (0..whole as u32).map(note).collect::<Vec<_>>(), "{cut}");
        assert_eq!(contents.damaged.len(), usize::from(torn), "{cut}");
        assert!(contents.damaged.iter().all(|damaged| damaged.torn));
        assert_eq!(torn_path.exists(), torn, "{cut}");
        journal.append(&note(77)).unwrap();
        drop(journal);
        let again = read::<Note>(&path).unwrap();
        assert!(again.damaged.is_empty(), "{cut}");
        assert_eq!(again.records.len(), whole + 1, "{cut}");
        assert_eq!(again.records[whole], note(77));
    }
}

/// What a program that is being started leaves for a moment: a copy of the descriptor.
#[test]
fn a_dropped_journal_is_free_although_a_descriptor_was_inherited() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.jsonl");
    let (journal, _) = Journal::open::<Note>(&path).unwrap();
    let _inherited = journal.file.try_clone().unwrap();
    assert!(matches!(Journal::open::<Note>(&path), Err(JournalError::Busy(_))));
    drop(journal);
    Journal::open::<Note>(&path).unwrap();
}

#[test]
fn an_altered_byte_costs_its_own_line_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.jsonl");
    let bytes = written(3);
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 0x04;
        std::fs::write(&path, &altered).unwrap();
        let contents = read::<Note>(&path).unwrap();
        let intact = contents.records.len();
        // A line feed that is gone joins two lines; everything else hurts one.
        assert!(intact >= if bytes[at] == b'\n' { 1 } else { 2 }, "{at}");
        assert!(intact < 3, "{at}: the change went unnoticed");
        assert!(contents.records.iter().all(|record| *record == note(record.number)));
    }
}
