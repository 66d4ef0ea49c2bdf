"""Do dynamics differ between groups of runs (NumPy and SciPy only)."""

from lassovae.stats._bootstrap import Uncertainty, block_bootstrap
from lassovae.stats._calibration import calibration
from lassovae.stats._cells import CellNodes, cell_nodes, following_nodes, node_of_cell
from lassovae.stats._comparisons import Comparison, bonferroni, group_comparisons, holm
from lassovae.stats._condition_test import ConditionTest, condition_test
from lassovae.stats._difference_words import difference_caution, difference_sentence, is_descriptive
from lassovae.stats._dispersion import dispersion_test, distances_to_centre
from lassovae.stats._dissimilarity import swap_dissimilarity
from lassovae.stats._effect import EffectSize, effect_size
from lassovae.stats._group_difference import GroupDifference, group_difference
from lassovae.stats._influence import influence, influence_distances, influence_test
from lassovae.stats._permutation import PermutationResult, permutation_test
from lassovae.stats._permutation_words import dispersion_sentence, effect_sentence, permutation_sentence
from lassovae.stats._power import Power, blocks_needed, design_power
from lassovae.stats._power_words import power_sentence, power_table
from lassovae.stats._rank_sum import RankSumResult
from lassovae.stats._recovery import (
    auc,
    average_precision,
    cell_map_auc,
    difference_auc,
    difference_map_auc,
    driver_auc,
    edge_auc,
    node_cell_correlation,
)
from lassovae.stats._scorecard import Recovery, recovery
from lassovae.stats._sparsity import gini, localisation
from lassovae.stats._swap import excess_errors, forecast_errors, swap_errors, swap_test
from lassovae.stats._words import (
    PAIRS_NOT_INDEPENDENT,
    Design,
    block_design,
    comparison_sentence,
    design_sentence,
    format_pvalue,
    order_sentence,
    rank_sum_sentence,
    smallest_pvalue,
)

__all__ = [
    "PAIRS_NOT_INDEPENDENT",
    "CellNodes",
    "Comparison",
    "ConditionTest",
    "Design",
    "EffectSize",
    "GroupDifference",
    "PermutationResult",
    "Power",
    "RankSumResult",
    "Recovery",
    "Uncertainty",
    "auc",
    "average_precision",
    "block_bootstrap",
    "block_design",
    "blocks_needed",
    "bonferroni",
    "calibration",
    "cell_map_auc",
    "cell_nodes",
    "comparison_sentence",
    "condition_test",
    "design_power",
    "design_sentence",
    "difference_auc",
    "difference_caution",
    "difference_map_auc",
    "difference_sentence",
    "dispersion_sentence",
    "dispersion_test",
    "distances_to_centre",
    "driver_auc",
    "edge_auc",
    "effect_sentence",
    "effect_size",
    "excess_errors",
    "following_nodes",
    "forecast_errors",
    "format_pvalue",
    "gini",
    "group_comparisons",
    "group_difference",
    "holm",
    "influence",
    "influence_distances",
    "influence_test",
    "is_descriptive",
    "localisation",
    "node_cell_correlation",
    "node_of_cell",
    "order_sentence",
    "permutation_sentence",
    "permutation_test",
    "power_sentence",
    "power_table",
    "rank_sum_sentence",
    "recovery",
    "smallest_pvalue",
    "swap_dissimilarity",
    "swap_errors",
    "swap_test",
]
