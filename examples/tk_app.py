"""Draw a digit in a window, and read what the model makes of it while you draw.

Install: pip install "$(echo ./strop-*.whl)[litert,images]"; on Debian also apt install python3-tk
Start:   python tk_app.py BUNDLE       (a right click clears the canvas)

Tk draws and answers the mouse only while its loop runs, so a thread makes the predictions, and the
loop looks for their ends every few milliseconds. Only the loop touches a widget. If the drawing
changes during a prediction, the next prediction is of the latest drawing.
"""

import sys
import tkinter as tk
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from PIL import Image, ImageDraw

import strop

SIDE, PEN = 280, 20  # pixels
LOOK_MS = 20


class Pad:
    """A canvas to draw on, and the answer below it."""

    def __init__(self, root: tk.Tk, model: strop.Model) -> None:
        self.model = model
        self.canvas = tk.Canvas(root, width=SIDE, height=SIDE, background="black")
        self.answer = tk.StringVar(root)
        self.canvas.pack()
        tk.Label(root, textvariable=self.answer).pack()
        self.canvas.bind("<Button-1>", self.begin)
        self.canvas.bind("<B1-Motion>", self.draw)
        self.canvas.bind("<Button-3>", self.clear)
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.clear()
        self.look()

    def clear(self, event: object = None) -> None:
        """Begin a new drawing."""
        self.canvas.delete("all")
        self.answer.set("draw a digit")
        self.image = Image.new("L", (SIDE, SIDE))  # Tk cannot say what is on a canvas
        self.is_new = False
        self.running: Future[Any] | None = None

    def begin(self, event: "tk.Event[tk.Canvas]") -> None:
        """Begin a stroke."""
        self.last = event.x, event.y

    def draw(self, event: "tk.Event[tk.Canvas]") -> None:
        """Draw from the last point to this one, on the canvas and in the image."""
        line = (*self.last, event.x, event.y)
        self.canvas.create_line(*line, width=PEN, fill="white", capstyle="round")
        ImageDraw.Draw(self.image).line(line, fill=255, width=PEN, joint="curve")
        self.last = event.x, event.y
        self.is_new = True

    def look(self) -> None:
        """Show the answer if there is one, and ask for the next if the drawing has changed."""
        if self.running and self.running.done():
            self.show(self.running)
            self.running = None
        if self.is_new and not self.running:
            self.is_new = False
            self.running = self.thread.submit(self.model.classify, self.image.copy())
        self.canvas.after(LOOK_MS, self.look)

    def show(self, done: "Future[Any]") -> None:
        """Write the answer of a prediction, or why there is none."""
        try:
            best = done.result()
            self.answer.set(f"{best.label} ({best.probability:.1%})")
        except strop.StropError as error:
            self.answer.set(str(error))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} BUNDLE")
    try:
        with strop.load(sys.argv[1]) as model:
            root = tk.Tk(className="Strop")
            Pad(root, model)
            root.mainloop()
    except (strop.StropError, tk.TclError) as error:  # TclError: there is no display
        sys.exit(f"tk_app: {error}")
