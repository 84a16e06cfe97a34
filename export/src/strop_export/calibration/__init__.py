"""The calibration samples: whether they are fit for it, and whether there are enough of them."""

from strop_export.calibration.examine import examine as examine
from strop_export.calibration.picture import draw as draw
from strop_export.calibration.text import lines as lines
from strop_export.calibration.text import page as page
from strop_export.calibration.text import picture_name as picture_name
