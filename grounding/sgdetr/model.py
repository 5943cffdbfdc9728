"""SG-DETR (arXiv 2410.01615): the order of the forward pass, and nothing else.

Parameter names are those of the official checkpoints without their `model.` prefix.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from grounding.sgdetr.atss import AtssSettings, assign, level_anchors, truth_units
from grounding.sgdetr.atss_head import AtssHead
from grounding.sgdetr.attention import key_bias
from grounding.sgdetr.auxiliary import MomentEncoder, SentenceEncoder
from grounding.sgdetr.collaborative import (
    CollabQueries,
    Draw,
    collab_queries,
    draw_at_random,
    group_bias,
)
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.cross_modal import CrossModalEncoder
from grounding.sgdetr.decoder import DetectionHead, Memory
from grounding.sgdetr.encoder import VideoEncoder
from grounding.sgdetr.initialise import initialise
from grounding.sgdetr.inputs import TEXT, VIDEO, Inputs
from grounding.sgdetr.layers import InputProjection, UnusedTextPositions
from grounding.sgdetr.position import ClipPositions, sample_lengths
from grounding.sgdetr.predictions import (
    AtssOutputs,
    NegativePairs,
    Predictions,
    QueryOutputs,
    Targets,
)
from grounding.sgdetr.pyramid import FeaturePyramid, join_levels, level_masks
from grounding.sgdetr.saliency import LocalSaliencyHead, SaliencyAmplifier
from grounding.sgdetr.selector import Queries, QuerySelector

SILENT = -30.0  # the logit of what must not fire: its probability is 0 in float32 arithmetic
TEXT_POSITIONS = 100  # rows of the unused table in official checkpoints


class SGDETR(nn.Module):
    """Finds the windows of a video that a sentence describes, and each clip's saliency."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        dropout = config.projection_dropout
        self.input_txt_proj = InputProjection(config.text_features, width, dropout)
        self.input_vid_proj = InputProjection(config.video_dims, width, dropout)
        self.modality_embeddings = nn.Embedding(2, width)
        self.txt_position_embed = UnusedTextPositions(TEXT_POSITIONS, width)
        self.clip_positions = ClipPositions(width, config.masked)
        self.txt2vis_sal_encoder = CrossModalEncoder(config)
        self.sent_encoder = SentenceEncoder(config)
        self.moment_encoder = MomentEncoder(config)
        self.fpn = FeaturePyramid(width, config.masked)
        if config.selector:
            self.query_selector = QuerySelector(config)
        self.det_encoder = VideoEncoder(config)
        self.main_det_head = DetectionHead(config)
        self.aux_det_head = AtssHead(config)
        self.local_saliency_head = LocalSaliencyHead(config)
        self.saliency_amplifier = SaliencyAmplifier()
        self.global_saliency_head = nn.Linear(width, 1)
        initialise(self, config)

    def forward(
        self,
        video: Tensor,
        video_mask: Tensor,
        text: Tensor,
        text_mask: Tensor,
        targets: Targets | None = None,
        draw: Draw = draw_at_random,
    ) -> Predictions:
        """Ground a batch of (window, sentence) pairs.

        `video` [B, L, video_dims] with L >= 8 a multiple of 4, `text` [B, N, text_features],
        rows normalised as x / (norm + 1e-5); masks [B, L] and [B, N], 1 valid, 0 padding or gap.
        With `targets` the branches that only train are computed too; `draw` chooses the negative
        anchors among the collaborative queries.
        Raises ValueError for a shape that the network cannot take.
        """
        check_shapes(self.config, video, text)
        inputs = self.prepare(video, video_mask, text, text_mask)
        local = self.local_saliency_head.score(inputs.sentence, inputs.clips)
        memory, whole = self.read(inputs, local)
        masks = level_masks(inputs.video_mask)
        levels = self.fpn(memory, masks)
        result = Predictions(
            mask=video_mask,
            lengths=inputs.lengths,
            local_saliency=local,
            global_saliency=whole,
            layers=(),
            encoder=None,
            atss=self.dense(levels, masks),
        )
        queries = self.queries(levels, masks, inputs.lengths)
        attended = Memory(memory, inputs.position, key_bias(inputs.video_mask))
        if targets is None:
            layers = self.main_det_head(queries.content, queries.reference, attended)
            return self._answered(result, layers, queries)
        return self._train(result, inputs, (join_levels(levels), queries, attended), targets, draw)

    def prepare(self, video: Tensor, video_mask: Tensor, text: Tensor, text_mask: Tensor) -> Inputs:
        """Projected inputs, the pooled sentence and positions: nothing here mixes the two."""
        clips = self.input_vid_proj(video)
        tokens = self.input_txt_proj(text)
        lengths = sample_lengths(video_mask, self.config.masked).to(clips)
        return Inputs(
            clips=clips,
            video=clips + self.modality_embeddings.weight[VIDEO],
            text=tokens + self.modality_embeddings.weight[TEXT],
            sentence=self.local_saliency_head(tokens, text_mask),
            position=self.clip_positions(video_mask, lengths).to(clips),
            video_mask=video_mask,
            text_mask=text_mask,
            lengths=lengths,
        )

    def read(self, inputs: Inputs, local: Tensor) -> tuple[Tensor, Tensor]:
        """Amplified memory M_g [B, L, d] and S_global [B, L] for `local` saliency [B, L]."""
        video = self.txt2vis_sal_encoder(
            inputs.video, inputs.position, inputs.text, inputs.text_mask, local.sigmoid()
        )
        memory = self.det_encoder(video, inputs.position, inputs.video_mask)
        offset = self.global_saliency_head(self.saliency_amplifier(memory, local)).squeeze(-1)
        whole = local + offset
        return self.saliency_amplifier(memory, whole), whole

    def dense(self, levels: tuple[Tensor, ...], masks: tuple[Tensor, ...]) -> AtssOutputs:
        """The ATSS head's answer for all positions of the pyramid."""
        label, box, centerness = self.aux_det_head(levels, masks if self.config.masked else None)
        lengths = tuple(level.shape[1] for level in levels)
        anchors = torch.cat(level_anchors(lengths)).to(label.device)
        valid = torch.ones_like(label, dtype=torch.bool)
        if self.config.masked:
            valid = join_levels(masks) > 0.5
            label = torch.where(valid, label, SILENT)
        return AtssOutputs(label, box, centerness, anchors, lengths, valid)

    def queries(
        self, levels: tuple[Tensor, ...], masks: tuple[Tensor, ...], lengths: Tensor
    ) -> Queries:
        """The regular queries: selected from the pyramid, or learned."""
        if self.config.selector:
            chosen: Queries = self.query_selector(levels, masks, lengths)
            return chosen
        size = lengths.shape[0]
        head = self.main_det_head
        content = head.label_enc.weight.expand(size, -1, -1)
        reference = head.refpoint_embed.weight.sigmoid().expand(size, -1, -1)
        valid = torch.ones(reference.shape[:2], dtype=torch.bool, device=lengths.device)
        return Queries(content, reference, valid, None)

    def _answered(
        self, result: Predictions, layers: tuple[QueryOutputs, ...], queries: Queries
    ) -> Predictions:
        """Add the regular queries' answers; invalid queries are silent in the masked variant."""
        encoder = queries.encoder
        if self.config.masked:
            layers = tuple(_silence(layer, queries.valid) for layer in layers)
            encoder = encoder and _silence(encoder, queries.valid)
        return replace(result, layers=layers, encoder=encoder)

    def _train(
        self,
        result: Predictions,
        inputs: Inputs,
        decoding: tuple[Tensor, Queries, Memory],
        targets: Targets,
        draw: Draw,
    ) -> Predictions:
        """The rest of a training forward pass: collaborative queries, negatives, tokens."""
        _, queries, memory = decoding
        atss = result.atss
        assignment = assign(
            torch.split(atss.anchors, list(atss.level_lengths)),
            self._truths(targets),
            self.config.atss_top_k,
            atss.valid,
        )
        collab = collab_queries(
            assignment, atss.anchors, atss.valid, inputs.lengths, self.config, draw
        )
        if collab is None:
            layers = self.main_det_head(queries.content, queries.reference, memory)
            result = self._answered(result, layers, queries)
        else:
            result = self._decode_both(result, decoding, collab)
        sentence = self.sent_encoder(inputs.text, inputs.text_mask)
        tokens = self.moment_encoder.tokens(
            sentence, inputs.video, inputs.position, inputs.video_mask, targets.relevant
        )
        negative = self.negative_pairs(inputs, targets.negative_pairs())
        return replace(result, assignment=assignment, negative=negative, tokens=tokens)

    def _truths(self, targets: Targets) -> list[Tensor]:
        """Windows [n_b, 2] of each sample in two-second clips."""
        settings = AtssSettings(
            self.config.atss_top_k, self.config.truncate_truth, self.config.masked
        )
        durations = targets.durations.tolist()
        pairs = zip(targets.spans, durations, strict=True)
        return [truth_units(spans, seconds, settings) for spans, seconds in pairs]

    def _decode_both(
        self,
        result: Predictions,
        decoding: tuple[Tensor, Queries, Memory],
        collab: CollabQueries,
    ) -> Predictions:
        """Decode [collaborative | regular] queries at once, the groups hidden from each other."""
        features, queries, memory = decoding
        extra = collab.position.shape[1]
        rows = collab.position.unsqueeze(-1).expand(-1, -1, features.shape[-1])
        content = self.main_det_head.co_mapper(features.gather(1, rows))
        layers = self.main_det_head(
            torch.cat([content, queries.content], dim=1),
            torch.cat([collab.anchor, queries.reference], dim=1),
            memory,
            group_bias(extra, queries.content.shape[1], content),
        )
        regular = tuple(_part(layer, slice(extra, None)) for layer in layers)
        others = tuple(_part(layer, slice(extra)) for layer in layers)
        result = replace(result, collab=collab.outputs(content, others))
        return self._answered(result, regular, queries)

    def negative_pairs(self, inputs: Inputs, kept: Tensor) -> NegativePairs | None:
        """Saliency of each kept video with the text of the next sample in the batch."""
        rows = kept.nonzero().squeeze(1)
        if not len(rows):
            return None
        pairs = inputs.with_next_text(rows)
        clips = pairs.clips if self.config.negative_from_projected else pairs.video
        local = self.local_saliency_head.score(pairs.sentence, clips)
        _, whole = self.read(pairs, local)
        return NegativePairs(kept, local, whole)


def check_shapes(config: SGDETRConfig, video: Tensor, text: Tensor) -> None:
    """Raise ValueError with a sentence if the network cannot take these features."""
    clips, features = video.shape[1:]
    if clips < 8 or clips % 4:
        raise ValueError(f"a window has {clips} clips: pad it to a multiple of 4, at least 8")
    if features != config.video_dims:
        raise ValueError(f"video rows have {features} features, not {config.video_dims}")
    if text.shape[2] != config.text_features:
        raise ValueError(f"text rows have {text.shape[2]} features, not {config.text_features}")


def _part(outputs: QueryOutputs, queries: slice) -> QueryOutputs:
    return QueryOutputs(
        outputs.label[:, queries],
        outputs.span[:, queries],
        outputs.quality[:, queries],
        outputs.reference[:, queries],
    )


def _silence(outputs: QueryOutputs, valid: Tensor) -> QueryOutputs:
    return replace(outputs, label=torch.where(valid, outputs.label, SILENT))
