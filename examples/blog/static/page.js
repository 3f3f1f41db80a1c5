"use strict"
// All that others wrote is put in as text, but for the HTML of posts: the server has made that of
// their Markdown and cleaned it, and the page's policy lets nothing run but this script.
const by = (id) => document.getElementById(id)
const forms = ["register", "finish", "login", "write"]
let me = null

const say = (text) => { by("said").textContent = text }

async function ask(method, path, body) {
  const headers = {}
  if (body !== undefined) headers["content-type"] = "application/json"
  if (me && method !== "GET") headers["x-csrf-token"] = me.csrf
  const answer = await fetch("/api/" + path, { method, headers, body: JSON.stringify(body) })
  const found = answer.status === 204 ? null : await answer.json()
  if (answer.ok) return found
  const wrong = (found.errors || []).map((row) => row.pointer + ": " + row.detail)
  throw new Error([found.detail, ...wrong].join("\n"))
}

function show(name) {
  for (const form of forms) by(form).hidden = form !== name
  say("")
  if (name) by(name).querySelector("input").focus()
}

function known(found) {
  me = found
  const may = me && me.roles.some((role) => role === "writer" || role === "editor")
  by("who").textContent = me ? me.user.name : ""
  by("to-login").hidden = by("to-register").hidden = Boolean(me)
  by("logout").hidden = !me
  by("to-write").hidden = !may
}

function item(comment, again) {
  const row = document.createElement("li")
  row.textContent = `${comment.author ? comment.author.name : "somebody"}: ${comment.text}`
  row.classList.toggle("hidden", comment.hidden)
  if (me && me.roles.includes("editor")) {
    const button = document.createElement("button")
    button.textContent = comment.hidden ? "Show" : "Hide"
    button.onclick = tried(async () => {
      await ask("PATCH", "comments/" + comment.id, { hidden: !comment.hidden })
      await again()
    })
    row.append(button)
  }
  return row
}

function article(post) {
  const node = by("post").content.cloneNode(true)
  const at = (name) => node.querySelector(name)
  at("h2").textContent = post.title
  const writer = post.author ? post.author.name : ""
  at(".about").textContent = [post.date, writer, ...post.categories, post.published ? "" : "draft"]
    .filter(Boolean).join(" · ")
  at(".lead").textContent = post.description
  at(".body").innerHTML = post.html
  const list = at(".comments"), form = at("form.comment")
  const again = async () => {
    const where = new URLSearchParams({ filter: `post = '${post.id}'`, expand: "author", sort: "created" })
    const found = await ask("GET", "comments?" + where)
    list.replaceChildren(...found.items.map((row) => item(row, again)))
  }
  form.hidden = !me || !post.published
  form.onsubmit = sent(async (values) => {
    await ask("POST", "comments", { text: values.text, post: post.id })
    form.reset()
    await again()
  })
  again().catch((error) => say(error.message))
  return node
}

async function list() {
  const found = await ask("GET", "posts?sort=-date,-created&expand=author")
  by("posts").replaceChildren(...found.items.map(article))
}

function tried(work) {
  return async (event) => {
    try { await work(event) } catch (error) { say(error.message) }
  }
}

function sent(work) {
  return tried(async (event) => {
    event.preventDefault()
    await work(Object.fromEntries(new FormData(event.target)))
  })
}

by("to-login").onclick = () => show("login")
by("to-register").onclick = () => show("register")
by("to-write").onclick = () => show("write")
by("logout").onclick = tried(async () => {
  await ask("POST", "auth/logout")
  known(null)
  show("")
  await list()
})
by("register").onsubmit = sent(async (values) => {
  await ask("POST", "auth/register", values)
  show("")
  say("Look at your mails: a link there goes on. In development they are at /api/auth/mailbox.")
})
by("finish").onsubmit = sent(async (values) => {
  const token = decodeURIComponent(location.hash.slice(1))
  const { name, password } = values
  known(await ask("POST", "auth/register/finish", { token, password, user: { name } }))
  history.replaceState(null, "", "/")
  show("")
  await list()
})
by("login").onsubmit = sent(async (values) => {
  known(await ask("POST", "auth/login", values))
  show("")
  await list()
})
by("write").onsubmit = sent(async (values) => {
  const slug = values.title.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "")
  const date = new Date().toISOString().slice(0, 10)
  await ask("POST", "posts", { ...values, slug: slug || "post", date, published: "published" in values })
  by("write").reset()
  show("")
  await list()
})

async function begin() {
  const answer = await fetch("/api/auth/me")
  if (answer.ok) known(await answer.json())
  if (location.pathname === "/account/register" && location.hash) show("finish")
  await list()
}
begin().catch((error) => say(error.message))
