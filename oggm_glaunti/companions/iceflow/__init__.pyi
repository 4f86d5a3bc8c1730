from .balance import band_targets as band_targets
from .flux import Errors as Errors
from .gate import learn_gate as learn_gate
from .images import read_image as read_image, read_pair as read_pair, read_stack as read_stack
from .network_file import load_network as load_network, save_network as save_network
from .predict import predict_last as predict_last
from .predictors import scores as scores, table1 as table1
from .preprocess import prepare as prepare
from .series import closure as closure, solve as solve
from .synthetic import scene as scene
from .tracking import Vectors as Vectors, track as track
from .velocity import Velocity as Velocity, pair_velocity as pair_velocity, stack_velocity as stack_velocity
from .velocity_file import read_velocity as read_velocity, write_velocity as write_velocity
