from vicinal import errors as errors
from vicinal import evaluate as evaluate
from vicinal import identity as identity
from vicinal import models as models
from vicinal import replica as replica
from vicinal import snapshots as snapshots
from vicinal import testing as testing
from vicinal import train as train
from vicinal.collection import Collection as Collection
from vicinal.corpus import declared_sources as declared_sources
from vicinal.database import Database as Database
from vicinal.database import open as open
from vicinal.encode import FunctionEncoder as FunctionEncoder
from vicinal.encode import Projection as Projection
from vicinal.encode import load as load
from vicinal.encode import quantize as quantize
from vicinal.errors import VicinalError as VicinalError
from vicinal.space import Encoder as Encoder
from vicinal.space import Space as Space
from vicinal.space import Vectors as Vectors
from vicinal.types import Document as Document
from vicinal.types import Hit as Hit
from vicinal.types import Hits as Hits
from vicinal.types import Record as Record
from vicinal.types import Source as Source
from vicinal.types import SyncReport as SyncReport

__version__: str
