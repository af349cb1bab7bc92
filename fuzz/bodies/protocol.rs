//! Lines between the laboratory and a subject, and the files that go with them.

use super::script::{Script, path};
use crinoid_eval::subject::{
    Asked, Built, Found, Hello, Parameters, Refusal, Reply, Request, System, Work, files, integer,
    only, serve,
};
use crinoid_quant::{Metric, Vectors};
use std::{fs, path::PathBuf};

/// Parts of which many lines make sense.
const WORDS: [&str; 26] = [
    "{\"op\":\"hello\",\"protocol\":1}\n",
    "{\"op\":\"load\",\"vectors\":\"v\",\"metric\":\"l2\"}\n",
    "{\"op\":\"build\",\"params\":{\"m\":2},\"threads\":1,\"seed\":0}\n",
    "{\"op\":\"search\",\"queries\":\"q\",\"k\":1,\"params\":{\"ef\":3},\"answers\":\"a\"}\n",
    "{\"op\":\"search\",\"queries\":\"q\",\"k\":",
    ",\"params\":{},\"answers\":\"a\",\"latencies\":\"l\"}\n",
    "{\"op\":\"save\",\"index\":\"i\"}\n",
    "{\"op\":\"open\",\"index\":\"i\"}\n",
    "{\"op\":\"stop\"}\n",
    "{\"reply\":\"hello\",\"protocol\":1,\"name\":\"x\"}\n",
    "{\"reply\":\"load\",\"rows\":3,\"dim\":2}\n",
    "{\"reply\":\"build\",\"bytes\":7}\n",
    "{\"reply\":\"search\",\"answered\":2,\"counters\":{\"hops\":1}}\n",
    "{\"reply\":\"error\",\"kind\":\"moon\",\"message\":\"\"}\n",
    "{\"reply\":\"stop\"}\n",
    "{",
    "}",
    "\"op\":",
    "\"params\":",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "18446744073709551615",
    "4294967296",
    "9223372036854775808",
    "-1",
    "1e99",
    "\n",
];

fn text(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for &byte in bytes {
        match WORDS.get(usize::from(byte)) {
            Some(word) => text.extend_from_slice(word.as_bytes()),
            None => text.push(byte),
        }
    }
    text
}

/// Finds the first rows, whatever is asked.
#[derive(Default)]
struct First {
    rows: usize,
}

impl System for First {
    fn hello(&self) -> Hello {
        Hello {
            protocol: 0,
            name: "first".to_owned(),
            version: String::new(),
            isa: String::new(),
            deterministic: true,
            counters: true,
            latencies: true,
            stores: false,
        }
    }

    fn load(&mut self, base: Vectors, _: Metric) -> Result<(), Refusal> {
        self.rows = base.len();
        Ok(())
    }

    fn build(&mut self, params: &Parameters, _: usize, _: u64) -> Result<Built, Refusal> {
        only(params, &["m", "ef_construction"])?;
        Ok(Built { bytes: integer(params, "m", 16)? as u64, ..Built::default() })
    }

    fn search(&mut self, asked: &Asked<'_>, found: &mut Found) -> Result<(), Refusal> {
        only(asked.params, &["ef"])?;
        for _ in 0..asked.queries.len() {
            found.push(asked.k, 0..self.rows as u32);
            found.latencies.push(1);
        }
        found.work = Some(Work::default());
        Ok(())
    }
}

/// Puts a request's paths where this process may write.
fn confined(request: Request) -> Request {
    let confine = |given: PathBuf| match given.to_str() {
        Some("v" | "q") => path("protocol.fbin"),
        Some("i") => path("protocol.index"),
        _ => path("protocol.ibin"),
    };
    match request {
        Request::Load { vectors, metric } => Request::Load { vectors: confine(vectors), metric },
        Request::Search { queries, k, params, answers, latencies } => Request::Search {
            queries: confine(queries),
            // What is allowed and takes long is of no interest here.
            k: if (10_000..1 << 28).contains(&k) { k % 10_000 } else { k },
            params,
            answers: confine(answers),
            latencies: latencies.map(|_| path("protocol.latencies")),
        },
        Request::Save { index } => Request::Save { index: confine(index) },
        Request::Open { index } => Request::Open { index: confine(index) },
        other => other,
    }
}

/// The bytes as what a driver sends (each line gets one reply, and the subject goes on until `stop`), as
/// what a subject replies, and as the file of its answers.
pub fn run(data: &[u8]) -> bool {
    let mut script = Script(data);
    let (rows, columns) = (script.below(4), script.below(4));
    let bytes = script.rest();
    let answers = path("protocol-answers");
    fs::write(&answers, bytes).unwrap();
    if let Ok(ids) = files::read_u32(&answers, "answers", rows, columns) {
        assert_eq!(ids.len(), rows * columns);
        let order: Vec<u32> = (0..rows as u32).rev().collect();
        if columns > 0
            && let Ok((sorted, gaps)) = files::unscramble(&ids, columns, &order, 5)
        {
            assert_eq!(sorted.iter().filter(|&&id| id == u32::MAX).count(), gaps);
        }
    }
    let text = text(bytes);
    let mut accepted = false;
    let mut lines = Vec::new();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if let Ok(reply) = serde_json::from_slice::<Reply>(line) {
            let again: Reply =
                serde_json::from_str(&serde_json::to_string(&reply).unwrap()).unwrap();
            assert_eq!(again, reply);
            accepted = true;
        }
        match serde_json::from_slice::<Request>(line) {
            Ok(request) => {
                accepted = true;
                let line = serde_json::to_string(&confined(request.clone())).unwrap();
                let again: Request =
                    serde_json::from_str(&serde_json::to_string(&request).unwrap()).unwrap();
                assert_eq!(again, request);
                lines.extend_from_slice(line.as_bytes());
                lines.push(b'\n');
            }
            Err(_) => lines.extend_from_slice(line),
        }
    }
    fs::write(path("protocol.fbin"), [2u32, 1, 0, 0].map(u32::to_le_bytes).concat()).unwrap();
    let mut output = Vec::new();
    serve(&mut First::default(), lines.as_slice(), &mut output).unwrap();
    let replies: Vec<Reply> = output
        .split_inclusive(|&byte| byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let stop = replies.iter().position(|reply| *reply == Reply::Stop);
    assert!(stop.is_none_or(|at| at + 1 == replies.len()), "it goes on after `stop`");
    let asked = lines.split_inclusive(|&byte| byte == b'\n').count();
    assert!(stop.is_some() || replies.len() == asked, "a reply to each request");
    accepted
}
