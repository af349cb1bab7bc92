//! BERT, RoBERTa and ModernBERT behind one face.

use super::{ModelError, folder::Folder, tokens::Batch};
use candle_core::{DType, Module, Result, Tensor};
use candle_nn::{LayerNorm, Linear, VarBuilder, layer_norm_no_bias, linear, linear_no_bias};
use candle_transformers::models::{bert, modernbert, xlm_roberta};
use serde_json::{Value, json};

/// A stack of transformer layers: token ids to hidden states, `texts x tokens x hidden`.
pub(super) struct Encoder {
    layers: Layers,
    hidden: usize,
    positions: usize,
    pad_id: u32,
}

enum Layers {
    Bert(bert::BertModel),
    Roberta(xlm_roberta::XLMRobertaModel),
    Modern(modernbert::ModernBert),
}

impl Encoder {
    /// Builds what the folder's `model_type` names, out of `weights`.
    pub(super) fn load(
        folder: &Folder,
        weights: &VarBuilder<'_>,
    ) -> std::result::Result<Self, ModelError> {
        let hidden = folder.number("hidden_size")?;
        let mut positions = folder.number("max_position_embeddings")?;
        let pad_id = folder.field("pad_token_id").and_then(Value::as_u64).unwrap_or(0) as u32;
        let model = folder.field("model_type").and_then(Value::as_str).unwrap_or_default();
        let lost = folder.in_weights();
        // A classifier's encoder lies under the model's name, an encoder alone at the root.
        let under =
            |name: &str, probe: &str| match weights.contains_tensor(&format!("{name}.{probe}")) {
                true => weights.pp(name),
                false => weights.clone(),
            };
        let words = "embeddings.word_embeddings.weight";
        let layers = match model {
            "bert" => {
                let defaults = [
                    ("hidden_dropout_prob", json!(0.0)),
                    ("initializer_range", json!(0.02)),
                    ("pad_token_id", json!(0)),
                ];
                Layers::Bert(
                    bert::BertModel::load(under("bert", words), &folder.config(&defaults)?)
                        .map_err(lost)?,
                )
            }
            "roberta" | "xlm-roberta" => {
                // Positions are counted from behind the padding's.
                positions = positions.saturating_sub(pad_id as usize + 1);
                let defaults = [
                    ("attention_probs_dropout_prob", json!(0.0)),
                    ("hidden_dropout_prob", json!(0.0)),
                    ("position_embedding_type", json!("absolute")),
                    ("pad_token_id", json!(1)),
                ];
                let config: xlm_roberta::Config = folder.config(&defaults)?;
                Layers::Roberta(
                    xlm_roberta::XLMRobertaModel::new(&config, under("roberta", words))
                        .map_err(lost)?,
                )
            }
            "modernbert" => {
                let eps = folder.field("norm_eps").cloned().unwrap_or(json!(1e-5));
                let defaults = [
                    ("layer_norm_eps", eps),
                    ("global_rope_theta", json!(160_000.0)),
                    ("local_rope_theta", json!(10_000.0)),
                ];
                let config: modernbert::Config = folder.config(&defaults)?;
                Layers::Modern(
                    modernbert::ModernBert::load(weights.clone(), &config).map_err(lost)?,
                )
            }
            other => {
                let why = format!(
                    "`{other}` is not known (known: bert, roberta, xlm-roberta, modernbert)"
                );
                return Err(folder.wrong("model_type", &why));
            }
        };
        Ok(Self { layers, hidden, positions, pad_id })
    }

    /// Dimension of a hidden state.
    pub(super) fn hidden(&self) -> usize {
        self.hidden
    }

    /// The most tokens of a text.
    pub(super) fn positions(&self) -> usize {
        self.positions
    }

    /// The token that fills batches up.
    pub(super) fn pad_id(&self) -> u32 {
        self.pad_id
    }

    pub(super) fn forward(&self, batch: &Batch) -> Result<Tensor> {
        let Batch { ids, types, mask } = batch;
        match &self.layers {
            Layers::Bert(model) => model.forward(ids, types, Some(mask)),
            Layers::Roberta(model) => {
                model.forward(ids, mask, &types.zeros_like()?, None, None, None)
            }
            Layers::Modern(model) => model.forward(ids, mask),
        }
    }

    /// The classification head that belongs to these layers.
    pub(super) fn head(
        &self,
        folder: &Folder,
        weights: &VarBuilder<'_>,
    ) -> std::result::Result<Head, ModelError> {
        let (hidden, lost) = (self.hidden, folder.in_weights());
        let load = || -> Result<Head> {
            let classifier = weights.pp("classifier");
            Ok(match &self.layers {
                Layers::Bert(_) => Head {
                    dense: linear(hidden, hidden, weights.pp("bert.pooler.dense"))?,
                    middle: Middle::Tanh,
                    out: linear(hidden, 1, classifier)?,
                    mean: false,
                },
                Layers::Roberta(_) => Head {
                    dense: linear(hidden, hidden, classifier.pp("dense"))?,
                    middle: Middle::Tanh,
                    out: linear(hidden, 1, classifier.pp("out_proj"))?,
                    mean: false,
                },
                Layers::Modern(_) => {
                    let eps = ["norm_eps", "layer_norm_eps"]
                        .iter()
                        .find_map(|name| folder.field(name)?.as_f64());
                    let norm =
                        layer_norm_no_bias(hidden, eps.unwrap_or(1e-5), weights.pp("head.norm"))?;
                    Head {
                        dense: linear_no_bias(hidden, hidden, weights.pp("head.dense"))?,
                        middle: Middle::GeluNorm(norm),
                        out: linear(hidden, 1, classifier)?,
                        mean: folder
                            .field("classifier_pooling")
                            .is_some_and(|pooling| pooling == "mean"),
                    }
                }
            })
        };
        load().map_err(lost)
    }
}

/// Hidden states to one score per text.
pub(super) struct Head {
    dense: Linear,
    middle: Middle,
    out: Linear,
    /// Whether the head sees the mean of all tokens instead of the first.
    mean: bool,
}

enum Middle {
    Tanh,
    GeluNorm(LayerNorm),
}

impl Head {
    /// One logit per text.
    pub(super) fn forward(&self, hidden: &Tensor, batch: &Batch) -> Result<Vec<f32>> {
        let pooled = match self.mean {
            true => mean_pooled(hidden, &batch.mask)?,
            false => hidden.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?,
        };
        let dense = self.dense.forward(&pooled)?;
        let middle = match &self.middle {
            Middle::Tanh => dense.tanh()?,
            Middle::GeluNorm(norm) => norm.forward(&dense.gelu_erf()?)?,
        };
        self.out.forward(&middle)?.squeeze(1)?.to_vec1()
    }
}

/// The mean of the hidden states of all tokens that are no padding, `texts x hidden`.
pub(super) fn mean_pooled(hidden: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let mask = mask.to_dtype(DType::F32)?;
    let sums = hidden.broadcast_mul(&mask.unsqueeze(2)?)?.sum(1)?;
    sums.broadcast_div(&mask.sum_keepdim(1)?)
}
