from .calibration.errors import ErrorSizes as ErrorSizes, Sizes as Sizes
from .calibration.gauge import Gauge as Gauge
from .calibration.nuts import sample_glaunti as sample_glaunti
from .calibration.sites import surface_of as surface_of
from .calibration.tasks import modelled as modelled
from .data.files import open_dataset as open_dataset
from .data.gdirs import dataset_from_gdirs as dataset_from_gdirs
from .data.year import GlacierData as GlacierData, Targets as Targets, YearData as YearData
from .evaluation.inference import predict_glacier as predict_glacier, predict_observations as predict_observations
from .evaluation.predictions import (
    pooled_scores as pooled_scores,
    predictions_of as predictions_of,
    scores_per_glacier as scores_per_glacier,
)
from .evaluation.scores import scores as scores
from .observations import (
    as_observations as as_observations,
    check_observations as check_observations,
    on_grid as on_grid,
    write_csv as write_csv,
)
from .training.train import (
    Options as Options,
    finetune as finetune,
    mean_errors as mean_errors,
    split_by_fold as split_by_fold,
    train as train,
)
from .training.uncertainty import trained_uncertainty as trained_uncertainty
