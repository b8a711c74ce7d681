"""Debian's chromium, as people use it."""

import json

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from dev import PASSWORDS, eventually

# What every page must have, for every user and browser.
STRUCTURE = """
const wrong = [];
const all = (selector) => [...document.querySelectorAll(selector)];
if (all("h1").length !== 1) wrong.push("there are " + all("h1").length + " first headings");
if (document.documentElement.lang !== "en") wrong.push("no language");
for (const table of all("table")) if (!table.caption?.textContent.trim()) wrong.push("a table has no caption");
for (const cell of all("th")) if (!cell.scope) wrong.push("a heading has no scope: " + cell.textContent);
for (const field of all("input:not([type=hidden]), select"))
  if (!field.labels?.length) wrong.push("a field has no label: " + field.name);
for (const part of all("progress, svg[role=img], nav"))
  if (!part.getAttribute("aria-label")) wrong.push("no name: " + part.outerHTML.slice(0, 80));
for (const mark of all(".mark")) if (!mark.querySelector(".sign")?.textContent) wrong.push("a state without a shape");
const ids = all("[id]").map((part) => part.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push("twice: " + id);
if (all("[style], style, script:not([src])").length) wrong.push("something is inline");
for (const part of all("a, button, summary"))
  if (!(part.textContent.trim() || part.getAttribute("aria-label"))) wrong.push("nothing to read: " + part.outerHTML);
return wrong;
"""

# The contrast of every text with its ground, by WCAG 2.2: at least 4.5 to 1.
CONTRAST = """
const linear = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const parts = (colour) => colour.match(/[0-9.]+/g).map(Number);
const light = ([red, green, blue]) => 0.2126 * linear(red / 255) + 0.7152 * linear(green / 255) + 0.0722 * linear(blue / 255);
const ground = (part) => {
  for (let box = part; box; box = box.parentElement) {
    const colour = parts(getComputedStyle(box).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const faint = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const part = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !part.checkVisibility()) continue;
  const [a, b] = [light(parts(getComputedStyle(part).color)), light(ground(part))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) faint.add(`${part.tagName}.${part.className}: ${contrast.toFixed(2)}`);
}
return [...faint];
"""


class Browser:
    def __init__(self, url, pictures, scripts=True):
        self.url = url
        self.pictures = pictures
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        # As root, in a container, without a screen.
        for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]:
            options.add_argument(argument)
        if not scripts:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.look()

    def look(self, width=1280, dark=False):
        self.width = width
        self._size(900)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def _size(self, height):
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": self.width, "height": height, "deviceScaleFactor": 1, "mobile": self.width < 500},
        )

    def open(self, path=""):
        self.driver.get(self.url + path)

    @property
    def path(self):
        return self.driver.current_url.removeprefix(self.url)

    def text(self, selector="body"):
        # A live update may replace a part between finding and reading it.
        for _ in range(20):
            try:
                return self.driver.find_element(By.CSS_SELECTOR, selector).text
            except StaleElementReferenceException:
                continue
            except NoSuchElementException:
                return ""
        return ""

    def waits_for(self, text, selector="body", seconds=10):
        eventually(lambda: text in self.text(selector), seconds, f"{selector} has {text!r}")

    def fill(self, **fields):
        for name, value in fields.items():
            field = self.driver.find_element(By.NAME, name)
            field.clear()
            field.send_keys(value)
        field.send_keys(Keys.ENTER)

    def click(self, text):
        self.driver.find_element(By.XPATH, f"//*[self::a or self::button][normalize-space()='{text}']").click()

    def log_in(self, name, password=None):
        self.open("login")
        self.fill(name=name, password=password or PASSWORDS[name])

    def log_out(self):
        self.click("Log out")
        eventually(lambda: self.path == "login", 5, "the login is shown")

    def picture(self, name):
        """Of the whole page, however long."""
        self._size(max(int(self.driver.execute_script("return document.documentElement.scrollHeight")), 400))
        self.driver.save_screenshot(str(self.pictures / f"{name}.png"))
        self._size(900)

    def check(self, what):
        """Structure, contrast, and nothing wider than the screen."""
        wrong = self.driver.execute_script(STRUCTURE) + self.driver.execute_script(CONTRAST)
        width = self.driver.execute_script("return document.documentElement.scrollWidth")
        if width > self.width:
            wrong.append(f"{width} px wide on {self.width}")
        assert not wrong, f"{what}: {wrong}"

    def check_layout(self, what):
        """Nothing of the navigation is hidden, and what belongs to a filter stands beside it where there is room."""
        hidden = self.driver.execute_script(
            "const list = document.querySelector('.top nav ul');"
            "return [...list.querySelectorAll('a')].filter((link) => {"
            "  const [a, b] = [link.getBoundingClientRect(), list.getBoundingClientRect()];"
            "  return a.right > b.right + 1 || a.left < b.left - 1; }).map((link) => link.textContent);"
        )
        assert not hidden, f"{what}: out of sight: {hidden}"
        tops = self.driver.execute_script(
            "return [...document.querySelectorAll('.filter select, .filter input, .filter button')]"
            ".map((part) => Math.round(part.getBoundingClientRect().top));"
        )
        assert self.width < 1280 or max(tops, default=0) - min(tops, default=0) < 8, f"{what}: a filter on two lines"

    def complaints(self):
        """What the browser itself complained of: a breach of the content policy, an error in the script."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" and "the server responded with a status of" not in entry["message"]
        ]

    def cookies(self):
        return self.driver.get_cookies()

    def close(self):
        self.driver.quit()
