//! Copies: rows that are the same vector share one node.
//!
//! A thousand copies of one vector would link to each other alone, and a search that meets them has
//! no room left for anything else. So a graph is built over the distinct vectors, and each of its
//! nodes stands for the rows in its posting list.

use crinoid_quant::{
    Buffer, Neighbor, Vectors,
    codes::{Arrays, PartsError},
};
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

/// The rows of a set of vectors by distinct vector: one posting list per node.
///
/// Nodes ascend by their first row, and so do the rows of a node. Takes four bytes per row and four
/// per node.
///
/// ```
/// use crinoid_graph::Copies;
/// use crinoid_quant::Vectors;
///
/// let vectors = Vectors::from_rows(&[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])?;
/// let copies = Copies::of(&vectors).expect("rows 0 and 2 are the same");
/// assert_eq!((copies.nodes(), copies.rows(0)), (2, &[0, 2][..]));
/// assert_eq!(Copies::of(&copies.distinct(&vectors)), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Copies {
    /// Where each node's rows start in `rows`; one more at the end.
    starts: Buffer<u32>,
    rows: Buffer<u32>,
}

impl Copies {
    /// Finds rows that are bitwise the same; `None` where there are none.
    pub fn of(vectors: &Vectors) -> Option<Self> {
        let bytes = |row: u32| bytemuck::cast_slice::<f32, u8>(vectors.row(row as usize));
        let mut hashed: Vec<(u64, u32)> = (0..vectors.len() as u32)
            .into_par_iter()
            .map(|row| (xxh3_64(bytes(row)), row))
            .collect();
        hashed.par_sort_unstable();
        let mut postings: Vec<Vec<u32>> = Vec::with_capacity(hashed.len());
        for group in hashed.chunk_by(|a, b| a.0 == b.0) {
            // Equal hashes are not yet equal vectors.
            let first = postings.len();
            for &(_, row) in group {
                let known = postings[first..].iter_mut().find(|list| bytes(list[0]) == bytes(row));
                match known {
                    Some(list) => list.push(row),
                    None => postings.push(vec![row]),
                }
            }
        }
        if postings.len() == vectors.len() {
            return None;
        }
        postings.sort_unstable_by_key(|list| list[0]);
        let mut starts = vec![0];
        starts.extend(postings.iter().scan(0, |end, list| {
            *end += list.len() as u32;
            Some(*end)
        }));
        Some(Self { starts: starts[..].into(), rows: postings.into_iter().flatten().collect() })
    }

    /// How many nodes: distinct vectors.
    pub fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Never: where nothing is stored there are no copies.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows that `node` stands for, ascending.
    ///
    /// # Panics
    /// When `node >= nodes()`.
    pub fn rows(&self, node: u32) -> &[u32] {
        let [start, end] = [node, node + 1].map(|place| self.starts[place as usize] as usize);
        &self.rows[start..end]
    }

    /// Each node's vector, in the order of the nodes, out of all `vectors`.
    ///
    /// # Panics
    /// When these are not the vectors that the copies were found in.
    pub fn distinct(&self, vectors: &Vectors) -> Vectors {
        let mut rows = Vec::with_capacity(self.nodes() * vectors.dim());
        for node in 0..self.nodes() as u32 {
            rows.extend_from_slice(vectors.row(self.rows(node)[0] as usize));
        }
        // Whole rows of finite values stay that.
        Vectors::new(rows.as_slice(), vectors.dim()).unwrap_or_default()
    }

    /// Turns `answers`, the nearest nodes in ascending order, into the nearest `k` rows, ties by
    /// row. `spare` is working memory.
    ///
    /// # Panics
    /// When an answer is no node.
    pub fn expand(&self, k: usize, answers: &mut Vec<Neighbor>, spare: &mut Vec<Neighbor>) {
        std::mem::swap(answers, spare);
        answers.clear();
        for near in spare.iter() {
            // More than `k` rows of one node can never be wanted.
            let rows = self.rows(near.id).iter().take(k);
            answers.extend(rows.map(|&row| Neighbor::new(row, near.distance)));
        }
        answers.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
        answers.truncate(k);
    }

    /// The arrays, as they go into a container.
    pub fn parts(&self) -> [(&'static str, &[u8]); 2] {
        [("starts", self.starts.as_bytes()), ("rows", self.rows.as_bytes())]
    }

    /// The copies that [`parts`](Self::parts) stood for: `nodes` nodes of `len` rows together.
    ///
    /// # Errors
    /// When an array is missing, has another length, or a row does not belong to exactly one node.
    pub fn from_parts(
        arrays: &mut Arrays<'_>,
        nodes: usize,
        len: usize,
    ) -> Result<Self, PartsError> {
        let starts: Buffer<u32> = arrays.take("starts", nodes.saturating_add(1))?;
        let rows: Buffer<u32> = arrays.take("rows", len)?;
        let invalid = |name: &str, why: &str| PartsError::Invalid {
            name: name.to_owned(),
            why: why.to_owned(),
        };
        let covers =
            starts.first() == Some(&0) && starts.last().map(|&end| end as usize) == Some(len);
        if !covers || !starts.is_sorted_by(|a, b| a < b) {
            return Err(invalid("starts", "not ascending from 0 to the number of rows"));
        }
        let copies = Self { starts, rows };
        let mut seen = vec![false; len];
        for node in 0..nodes as u32 {
            let list = copies.rows(node);
            let is_new = |&row: &u32| {
                seen.get_mut(row as usize).is_some_and(|seen| !std::mem::replace(seen, true))
            };
            let after = node == 0 || copies.rows(node - 1)[0] < list[0];
            if !after || !list.is_sorted() || !list.iter().all(is_new) {
                return Err(invalid("rows", "not every row once, in ascending lists"));
            }
        }
        Ok(copies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(arrays: &[(&str, Vec<u32>)], nodes: usize, len: usize) -> Result<Copies, PartsError> {
        let mut lookup = |name: &str| {
            let (_, array) = arrays.iter().find(|(known, _)| *known == name)?;
            Some(Buffer::from_slice(bytemuck::cast_slice::<u32, u8>(array)))
        };
        Copies::from_parts(&mut Arrays::new(&mut lookup), nodes, len)
    }

    proptest! {
        #[test]
        fn every_row_has_its_vectors_node(values in prop::collection::vec(0..6u8, 1..60)) {
            let rows: Vec<[f32; 2]> = values.iter().map(|&v| [f32::from(v), 1.0]).collect();
            let vectors = Vectors::from_rows(&rows).unwrap();
            let mut distinct: Vec<u8> = Vec::new();
            values.iter().for_each(|v| if !distinct.contains(v) { distinct.push(*v) });
            let Some(copies) = Copies::of(&vectors) else {
                prop_assert_eq!(distinct.len(), values.len());
                return Ok(());
            };
            prop_assert_eq!((copies.nodes(), copies.len()), (distinct.len(), values.len()));
            let nodes = copies.distinct(&vectors);
            for (node, value) in (0..).zip(distinct) {
                prop_assert_eq!(nodes.row(node as usize)[0], f32::from(value));
                let rows = (0..).zip(&values).filter(|(_, v)| **v == value);
                let expected: Vec<u32> = rows.map(|(row, _)| row).collect();
                prop_assert_eq!(copies.rows(node), expected);
            }
            let [starts, rows] = copies.parts().map(|(name, bytes)| {
                let (words, _) = bytes.as_chunks::<4>();
                (name, words.iter().map(|&word| u32::from_le_bytes(word)).collect())
            });
            let (nodes, len) = (copies.nodes(), copies.len());
            prop_assert_eq!(read(&[starts, rows], nodes, len), Ok(copies));
        }
    }

    #[test]
    fn answers_are_rows_in_order() {
        let rows = [[7.0f32], [3.0], [7.0], [5.0], [3.0], [7.0]];
        let copies = Copies::of(&Vectors::from_rows(&rows).unwrap()).unwrap();
        // Nodes 0, 1, 2 are 7, 3, 5; the query 6 is as far from 7 as from 5.
        let nodes = [(0, 1.0), (2, 1.0), (1, 9.0)].map(|(id, far)| Neighbor::new(id, far));
        let expand = |k| {
            let mut answers = nodes.to_vec();
            copies.expand(k, &mut answers, &mut Vec::new());
            answers.iter().map(|near| near.id).collect::<Vec<u32>>()
        };
        assert_eq!(expand(9), [0, 2, 3, 5, 1, 4]);
        assert_eq!(expand(3), [0, 2, 3]);
    }

    #[test]
    fn arrays_that_are_no_postings_are_refused() {
        let refused = |starts: &[u32], rows: &[u32]| {
            let arrays = [("starts", starts.to_vec()), ("rows", rows.to_vec())];
            read(&arrays, starts.len() - 1, rows.len()).unwrap_err().to_string()
        };
        assert!(refused(&[0, 2, 4], &[0, 1, 2]).contains("`starts`"));
        assert!(refused(&[0, 2, 2, 3], &[0, 1, 2]).contains("`starts`"));
        for rows in [[0, 1, 1], [0, 3, 2], [1, 0, 2], [2, 1, 0]] {
            assert!(refused(&[0, 2, 3], &rows).contains("`rows`"), "{rows:?}");
        }
        assert!(refused(&[0, 1, 3], &[1, 0, 2]).contains("`rows`"), "nodes ascend by first row");
        assert_eq!(read(&[], 1, 2), Err(PartsError::Missing("starts".to_owned())));
    }
}
