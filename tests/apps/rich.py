"""Texts that browsers draw, in every format, and a page that draws them as others would."""

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from abaft import App, Ref, field
from apps.open import Open


class Shelf(Open, key="name", stamps=False, collection="shelves"):
    name: str = field(max_length=40)


class Doc(Open, history=True):
    way: str = field(max_length=40, index=True)
    number: int
    code: str | None = field(default=None, max_length=40, unique=True)
    title: str = ""
    html: str = field(format="html", default="")
    text: str = field(format="markdown", default="")
    drawn: str = field(renders="text")
    shelf: Ref[Shelf] | None = None


VIEWER = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Docs</title>
<main></main><script nonce="{nonce}">
const asked = location.hash.slice(1)
fetch("/api/docs?limit=1000&filter=" + asked).then(answer => answer.json()).then(found => {
  for (const doc of found.items) {
    const row = document.createElement("article")
    row.append(doc.title, document.createElement("section"), document.createElement("section"))
    row.children[0].innerHTML = doc.html
    row.children[1].innerHTML = doc.drawn
    document.querySelector("main").append(row)
  }
  document.title = String(found.items.length)
})
</script>"""


def add_viewer(app: App) -> None:
    """A page at /viewer, with the records that the filter after the # finds."""

    @app.get("/viewer", include_in_schema=False)
    async def viewer(request: Request) -> Response:
        return HTMLResponse(VIEWER.replace("{nonce}", request.state.nonce))


app = App(Shelf, Doc)
