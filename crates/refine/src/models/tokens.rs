//! Texts to padded batches of token ids.

use super::{ModelError, ModelOptions, folder::Folder};
use candle_core::{Device, Tensor};
use std::sync::atomic::{AtomicU64, Ordering};
use tokenizers::{
    EncodeInput, PaddingParams, PaddingStrategy, Tokenizer, TruncationParams, TruncationStrategy,
};

/// Room for the special tokens of a pair and at least one token of each text.
const FEWEST: usize = 8;

/// A model's tokenizer, set to its limits.
pub(super) struct Tokens {
    tokenizer: Tokenizer,
    limit: usize,
    batch: usize,
    truncated: AtomicU64,
}

/// A batch of texts as tensors, `texts x tokens`, padded on the right to the longest.
pub(super) struct Batch {
    pub(super) ids: Tensor,
    pub(super) types: Tensor,
    /// 1 for a token, 0 for padding.
    pub(super) mask: Tensor,
}

impl Tokens {
    /// The tokenizer of `folder` for an encoder of at most `positions` tokens, padded with `pad_id`.
    pub(super) fn open(
        folder: &Folder,
        (positions, pad_id): (usize, u32),
        options: ModelOptions,
    ) -> Result<Self, ModelError> {
        let range = |option, value, range| ModelError::Option { option, value, range };
        let batch = options.batch;
        if batch == 0 {
            return Err(range("batch", 0, "1.."));
        }
        let stated = folder.number_in("sentence_bert_config.json", "max_seq_length")?;
        let wanted = options.max_tokens.or(stated).unwrap_or(usize::MAX);
        let limit = wanted.min(positions);
        if limit < FEWEST {
            return Err(range("max_tokens", limit, "8.."));
        }
        let path = folder.file("tokenizer.json");
        let fail = |field: &str, why: String| ModelError::Config {
            path: path.clone(),
            field: field.to_owned(),
            why,
        };
        let bytes =
            std::fs::read(&path).map_err(|source| ModelError::Io { path: path.clone(), source })?;
        let mut tokenizer =
            Tokenizer::from_bytes(bytes).map_err(|error| fail("file", error.to_string()))?;
        let pad_token = tokenizer
            .id_to_token(pad_id)
            .ok_or_else(|| fail("vocabulary", format!("no token {pad_id} to pad with")))?;
        let truncation = TruncationParams {
            max_length: limit,
            strategy: TruncationStrategy::LongestFirst,
            ..TruncationParams::default()
        };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(|error| fail("truncation", error.to_string()))?;
        tokenizer.with_padding(Some(PaddingParams {
            strategy: PaddingStrategy::BatchLongest,
            pad_id,
            pad_token,
            ..PaddingParams::default()
        }));
        Ok(Self { tokenizer, limit, batch, truncated: AtomicU64::new(0) })
    }

    /// The most tokens of a text or pair.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Texts per forward pass.
    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    /// How many texts or pairs were cut so far.
    pub(super) fn truncated(&self) -> u64 {
        self.truncated.load(Ordering::Relaxed)
    }

    /// Makes a batch of `texts`; not none.
    pub(super) fn encode<'s, T: Into<EncodeInput<'s>> + Send>(
        &self,
        texts: Vec<T>,
    ) -> Result<Batch, ModelError> {
        let encoded = self.tokenizer.encode_batch(texts, true);
        let encoded = encoded.map_err(|error| ModelError::Tokens(error.to_string()))?;
        let cut = encoded.iter().filter(|text| !text.get_overflowing().is_empty()).count();
        self.truncated.fetch_add(cut as u64, Ordering::Relaxed);
        let shape = (encoded.len(), encoded.first().map_or(0, |text| text.len()));
        let tensor = |row: fn(&tokenizers::Encoding) -> &[u32]| {
            let values: Vec<u32> = encoded.iter().flat_map(row).copied().collect();
            Tensor::from_vec(values, shape, &Device::Cpu)
        };
        Ok(Batch {
            ids: tensor(|text| text.get_ids())?,
            types: tensor(|text| text.get_type_ids())?,
            mask: tensor(|text| text.get_attention_mask())?,
        })
    }
}
