"""Head: face, hair and hat, each where the viewpoint shows it."""

from __future__ import annotations

from reknow.world.figure import Figure


def head(figure: Figure) -> None:
    """Head, face, hair and hat, each where the viewpoint shows it."""
    size, (_, up, ahead) = figure.build.head, figure.at.head
    style, hat = figure.words["hair"], figure.words["hat"]
    hair = figure.surface("hair")
    wide = figure.view.width(size * 0.76, size * 0.88)
    bald = style == "bald"
    if hat == "hood":
        figure.blob((0.0, up + 0.015, ahead - 0.02), (wide * 1.3, size * 1.2), figure.surface("hat"), 0.18)
    elif not bald:
        volume = {"cropped": 1.02, "afro": 1.45}.get(style, 1.1)
        figure.blob((0.0, up + 0.012, ahead - 0.015), (wide * volume, size * (0.98 + 0.5 * (volume - 1))), hair, 0.18)
        if style in ("bob", "long"):
            drop = size * (0.7 if style == "bob" else 1.7)
            figure.limb(
                (0.0, up, ahead - 0.05),
                (0.0, up - drop, ahead - 0.08),
                (wide * 1.12, wide * (1.0 if style == "bob" else 0.85)),
                hair,
                0.28 if figure.view.cos < 0 else -0.03,
            )
    # The face is a disc on the front of the head: it moves aside and narrows as the head turns.
    turned = figure.view.cos
    bald = bald and hat != "hood"
    if turned > -0.55 or bald:
        show = min(1.0, 0.62 + 0.38 * turned) if not bald else 1.0
        forward = 0.0 if bald else 0.45 * size
        figure.blob(
            (0.0, up - 0.012, ahead + forward * 0.6),
            (wide * 0.9 * show, size * (0.88 if not bald else 1.0)),
            figure.surface("skin"),
            0.21,
        )
        if turned > -0.3:
            _face(figure, size, up, ahead)
    _crown(figure, size, up, ahead, wide)


def _face(figure: Figure, size: float, up: float, ahead: float) -> None:
    """Eyes, mouth, beard and glasses."""
    front = ahead + size * 0.72
    for side in (-1, 1):
        eye = (side * size * 0.32, up + size * 0.06, front)
        if figure.view(eye)[2] > figure.view((0.0, up, ahead))[2] - size * 0.12:
            figure.blob(eye, (size * 0.15, size * 0.10), figure.surface("eye"), 0.22)
    if figure.wears("beard"):
        figure.blob(
            (0.0, up - size * 0.62, ahead + size * 0.45),
            (figure.view.width(size * 0.5, size * 0.4), size * 0.34),
            figure.surface("beard"),
            0.225,
        )
    figure.blob((0.0, up - size * 0.48, front), (size * 0.2, size * 0.07), figure.surface("lips"), 0.23)
    if figure.wears("glasses"):
        glass = figure.surface("glasses")
        half = figure.view.width(size * 0.6, size * 0.2)
        figure.blob(
            (0.0, up + size * 0.08, front),
            (half, size * (0.17 if figure.words["glasses"] == "dark" else 0.06)),
            glass,
            0.24,
        )


def _crown(figure: Figure, size: float, up: float, ahead: float, wide: float) -> None:
    """What sits on top: fringe, bun, ponytail or hat."""
    style, hat, hair = figure.words["hair"], figure.words["hat"], figure.surface("hair")
    over = 0.27
    if hat == "none" and style not in ("bald", "afro"):
        figure.blob((0.0, up + size * 0.68, ahead + 0.01), (wide * 0.92, size * 0.40), hair, over)
    if style == "ponytail":
        root = (0.0, up + size * 0.3, ahead - size * 1.0)
        figure.limb(
            root,
            (0.0, up - size * 1.6, ahead - size * 1.25),
            (0.04, 0.025),
            hair,
            0.29 if figure.view.cos < 0 else -0.04,
        )
    if style == "bun" and hat == "none":
        figure.blob((0.0, up + size * 0.95, ahead - size * 0.45), (0.045, 0.042), hair, 0.2)
    if hat in ("beanie", "cap", "brim hat"):
        cloth = figure.surface("hat")
        figure.blob(
            (0.0, up + size * 0.62, ahead - 0.005),
            (wide * 1.1, size * (0.62 if hat == "beanie" else 0.5)),
            cloth,
            over,
        )
        if hat == "cap":
            figure.blob(
                (0.0, up + size * 0.42, ahead + size * 1.05),
                (figure.view.width(size * 0.62, size * 0.5), size * 0.13),
                cloth,
                over - 0.02,
            )
        if hat == "brim hat":
            figure.blob((0.0, up + size * 0.42, ahead), (wide * 1.75, size * 0.17), cloth, over + 0.01)
