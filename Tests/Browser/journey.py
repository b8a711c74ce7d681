"""The console in a real browser, over a real `goldsmith dev`: what an operator does on a day with one good image and one
bad. Started by scripts/browser.

    journey.py <goldsmith> <folder for screenshots>
"""

import pathlib
import sys
import time

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import Browser
from dev import Dev, eventually

began = time.monotonic()


def step(text):
    print(f"  {time.monotonic() - began:5.1f} s  {text}", flush=True)


def journey(dev, browser):
    step("without a login there is only the login; a wrong password is refused")
    browser.open()
    assert browser.path == "login", browser.path
    browser.check("login")
    browser.picture("login")
    browser.log_in("olga", "not her password")
    browser.waits_for("Name or password is wrong.", "[role=alert]")

    step("an operator logs in; scripts cannot see her session")
    browser.log_in("olga")
    eventually(lambda: browser.path == "", 10, "the overview is shown")
    assert browser.driver.execute_script("return document.cookie") == ""
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Strict" for cookie in browser.cookies())
    browser.waits_for("No alarms", seconds=30)

    step("an image goes from Pending to Available before her eyes, without a reload")
    dev.run("instance", "sample", "--id", "i-web1", "--data-disks", "1", "--mib", "48")
    image = dev.create("i-web1", "web-golden", "--all-data-disks", "--description", "nginx 1.27", "--label", "team=web")
    browser.open(f"images/{image}")
    browser.driver.execute_script("window.unchanged = true")
    browser.waits_for("Pending", "h1")
    browser.waits_for("Running", ".timeline")
    eventually(lambda: browser.text(".progress"), 20, "a copy's progress is shown")
    browser.check("an image that is Pending")
    browser.picture("image-pending")
    browser.waits_for("Replicating", "h1", 60)
    browser.picture("image-replicating")
    browser.waits_for("Available", "h1", 60)
    browser.waits_for("web-golden is Available", "#announcer")
    assert browser.driver.execute_script("return window.unchanged"), "the page was loaded anew"
    assert browser.text("#live-state") == "Live."
    assert browser.text().count("same as captured") == 4, "two disks at two locations"
    browser.check("an image that is Available")
    browser.picture("image-available")

    step("an image of an unreadable disk ends in Error, with its reason and what to do")
    dev.run("instance", "sample", "--id", "i-db1", "--data-disks", "1", "--mib", "16")
    dev.damage("i-db1", "/dev/vdb")
    bad = dev.create("i-db1", "db-golden", "--all-data-disks")
    browser.open("images")
    browser.waits_for("Error", "[data-live]", 60)
    browser.driver.find_element(By.LINK_TEXT, "db-golden").click()
    browser.waits_for("Why it failed", ".failure")
    browser.waits_for("done, nothing is left", ".failure", 60)
    failure = browser.text(".failure")
    for word in ["Data disk /dev/vdb", "What to do:", "Deleted"]:
        assert word in failure, failure
    browser.check("an image in Error")
    browser.picture("image-error")

    step("its dead letter is replayed, once the disk is repaired, and the image becomes Available")
    dev.repair("i-db1", "/dev/vdb")
    browser.open("letters")
    browser.waits_for("Data disk /dev/vdb", "[data-live]")
    browser.check("dead and parked")
    browser.picture("letters-open")
    browser.click("Data disk /dev/vdb")
    browser.picture("letter-open")
    browser.click("Replay…")
    browser.waits_for("Replay this?", "h1")
    browser.check("a question")
    browser.picture("replay-question")
    browser.click("Replay")
    browser.waits_for("Replayed", "[data-live] h1")
    assert "olga@console" in browser.text("[data-live]")
    browser.open(f"images/{bad}")
    browser.waits_for("Available", "h1", 60)
    browser.picture("image-replayed")

    step("every page on a screen, on a phone, and in the dark")
    pages = ["", "images", f"images/{image}", f"images/{bad}", "instances", "letters", f"letters/{bad}", "quotas"]
    for width, dark, name in [(1280, False, "light"), (1280, True, "dark"), (360, False, "phone")]:
        browser.look(width, dark)
        for page in pages:
            browser.open(page)
            browser.check(f"{page or 'overview'} ({name})")
            kind = {f"images/{image}": "image", f"images/{bad}": "replayed", f"letters/{bad}": "letter"}.get(page, page)
            browser.picture(f"{kind or 'overview'}-{name}")
    browser.look()

    step("by keyboard: the first key leads past the areas, the next into the content")
    browser.open("images")
    body = browser.driver.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Skip to the content"
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    focused = browser.driver.switch_to.active_element
    assert focused.get_attribute("name") == "status", focused.get_attribute("outerHTML")
    outline = focused.value_of_css_property("outline-style")
    assert outline == "solid", f"the focus cannot be seen: {outline}"

    step("images by filter")
    browser.open("images?instance=i-db1")
    assert "db-golden" in browser.text() and "web-golden" not in browser.text()

    step("an operator changes a quota")
    browser.open("quotas")
    browser.click("Change")
    browser.picture("quota-form")
    browser.check("a quota's form")
    browser.fill(images="20")
    eventually(lambda: browser.path == "quotas", 5, "the quotas are shown")
    browser.waits_for("of 20")

    step("a viewer sees it, and is refused a change")
    browser.log_out()
    browser.log_in("vera")
    browser.waits_for("viewer", ".who")
    browser.open("quotas")
    assert "of 20" in browser.text() and "Change" not in browser.text("[data-live]")
    browser.open("quotas/local")
    assert "Viewers look and do not change." in browser.text()
    browser.check("a refusal")
    browser.picture("refused")
    browser.open(f"letters/{bad}/replay")
    assert "Viewers look and do not change." in browser.text()
    browser.log_out()

    step("a link with a token logs in, and the token stays out of the address")
    browser.open(f"login#token={dev.token}")
    eventually(lambda: browser.path == "", 10, "the overview is shown")
    assert not browser.complaints(), browser.complaints()


def without_scripts(dev, pictures):
    step("without scripts everything is there, and a link takes the place of live updates")
    browser = Browser(dev.url, pictures, scripts=False)
    try:
        browser.log_in("vera")
        eventually(lambda: "Overview" in browser.text("h1"), 10, "the overview is shown")
        assert "Live updates are off." in browser.text() and "web-golden" in browser.text()
        browser.click("Refresh")
        browser.click("web-golden")
        assert "Available" in browser.text("h1")
    finally:
        browser.close()


def main(program, pictures):
    pictures.mkdir(parents=True, exist_ok=True)
    dev = Dev(program)
    failed = True
    browser = None
    try:
        browser = Browser(dev.url, pictures)
        journey(dev, browser)
        without_scripts(dev, pictures)
        step("Ctrl-C ends everything while somebody looks")
        browser.open("images")
        browser.waits_for("Live.", "#live-state")
        code, seconds = dev.interrupt()
        assert code == 0 and seconds < 20, f"it ended with {code} after {seconds:.1f} s"
        browser.waits_for("interrupted", "#live-state")
        failed = False
    finally:
        if browser is not None:
            if failed:
                browser.picture("failed-here")
                print(browser.driver.current_url, browser.text(), sep="\n")
            browser.close()
        dev.close(failed)
    step("browser: ok")


main(sys.argv[1], pathlib.Path(sys.argv[2]))
