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
    eventually(lambda: browser.text(".progress"), 90, "a copy's progress is shown")
    browser.check("an image that is Pending")
    browser.picture("image-pending")
    browser.waits_for("Replicating", "h1", 60)
    browser.picture("image-replicating")
    browser.waits_for("Available", "h1", 120)
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

    step("an alarm is a link to what it is about")
    browser.open()
    browser.waits_for("1 dead letter waits for a human.", ".alarms", 20)
    browser.driver.find_element(By.CSS_SELECTOR, ".alarms a").click()
    eventually(lambda: browser.path == "dead-letters", 10, "dead and parked are shown")

    step("its dead letter is replayed, once the disk is repaired, and the image becomes Available")
    dev.repair("i-db1", "/dev/vdb")
    browser.open("dead-letters")
    browser.waits_for("Data disk /dev/vdb", "[data-live]")
    browser.check("dead and parked")
    browser.picture("dead-letters-open")
    browser.click("Data disk /dev/vdb")
    browser.picture("dead-letter-open")
    browser.click("Replay…")
    browser.waits_for("Replay this?", "h1")
    browser.check("a question")
    browser.picture("replay-question")
    browser.click("Replay")
    browser.waits_for("Replayed", "[data-live] h1")
    assert "olga@console" in browser.text("[data-live]")
    browser.open(f"images/{bad}")
    browser.waits_for("Available", "h1", 120)
    browser.picture("image-replayed")

    shared(browser, image)
    launch = launched(browser, image)
    cancelled = cancel(dev, browser)

    step("every page on a screen, on a phone, and in the dark")
    pages = ["", "images", f"images/{image}", f"images/{bad}", "instances", "dead-letters", f"dead-letters/{bad}", "quotas"]
    asking = [f"images/{image}/{action}" for action in ["launch", "share", "convert", "delete"]]
    pages += asking + ["instances/i-web1", launch, f"images/{cancelled}/retry"]
    for width, dark, name in [(1280, False, "light"), (1280, True, "dark"), (360, False, "phone")]:
        browser.look(width, dark)
        for page in pages:
            browser.open(page)
            browser.check(f"{page or 'overview'} ({name})")
            browser.check_layout(f"{page or 'overview'} ({name})")
            kind = {
                f"images/{image}": "image",
                f"images/{bad}": "replayed",
                f"dead-letters/{bad}": "dead-letter",
                "instances/i-web1": "instance",
                launch: "request",
                f"images/{cancelled}/retry": "ask-retry",
                **{page: "ask-" + page.split("/")[-1] for page in asking},
            }.get(page, page)
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
    for page in [f"dead-letters/{bad}/replay", f"images/{image}/launch", f"images/{image}/delete"]:
        browser.open(page)
        assert "Viewers look and do not change." in browser.text(), page
    browser.open(f"images/{image}")
    assert "Launch…" not in browser.text(), "it is offered to a viewer"
    browser.log_out()

    step("a link with a token logs in, and the token stays out of the address")
    browser.open(f"login#token={dev.token}")
    eventually(lambda: browser.path == "", 10, "the overview is shown")
    assert not browser.complaints(), browser.complaints()


def shared(browser, image):
    step("an operator shares an image, is told why it cannot be deleted now, and takes it back")
    browser.open(f"images/{image}/share")
    browser.fill(**{"with": "acct-7, acct-8"})
    browser.waits_for("Accepted", "h1", 20)
    browser.open(f"images/{image}/delete")
    browser.fill(name="web-golden")
    browser.waits_for("FAILED_PRECONDITION", "[role=alert]", 20)
    assert "acct-7" in browser.text("[role=alert]")
    browser.picture("ask-refused")
    browser.open(f"images/{image}/unshare")
    browser.check("what is to be taken back")
    browser.picture("ask-unshare")
    browser.click("Unshare")
    browser.waits_for("OUT_OF_RANGE", "#with-error")
    for box in browser.driver.find_elements(By.CSS_SELECTOR, "[type=checkbox]"):
        box.send_keys(Keys.SPACE)
    browser.click("Unshare")
    browser.waits_for("Accepted", "h1", 20)
    browser.open(f"images/{image}")
    assert "Unshare…" not in browser.text() and "Shared with" not in browser.text()


def launched(browser, image):
    """Returns the address of the request's page."""
    step("an operator launches an instance; what is wrong in the form stands beside its field")
    browser.open(f"images/{image}")
    browser.click("Launch…")
    browser.waits_for("Launch an instance of web-golden?", "h1")
    browser.fill(newDisks="1, many")
    browser.waits_for("INVALID_ARGUMENT", "#newDisks-error")
    assert browser.driver.find_element(By.NAME, "newDisks").get_attribute("value") == "1, many"
    browser.check("a form with an error")
    browser.picture("ask-error")
    browser.look(360, True)
    browser.picture("ask-error-phone")
    browser.look()
    browser.fill(newDisks="1")
    browser.waits_for("Accepted", "h1", 20)
    page = browser.path
    assert page.startswith("request?owner=local&id=console-"), page
    browser.picture("request-accepted")
    instance = browser.driver.find_element(By.XPATH, "//dt[.='Instance']/following-sibling::dd").text
    browser.open(f"images/{image}")
    browser.waits_for(f"Launch {instance}", "[data-live]")
    eventually(lambda: opened(browser, f"instances/{instance}"), 60, "the instance is there")
    browser.waits_for("Stopped", "h1")
    browser.check("an instance")
    return page


def opened(browser, page):
    browser.open(page)
    return "404" not in browser.text("h1")


def cancel(dev, browser):
    """Returns the image's id."""
    step("an operator cancels an image by keyboard, and it ends in Error, as cancelled")
    dev.run("instance", "sample", "--id", "i-long", "--data-disks", "0", "--mib", "400")
    image = dev.create("i-long", "long-golden")
    browser.open("instances/i-long")
    browser.waits_for("long-golden", "[data-live]")
    browser.click("Cancel the making…")
    browser.waits_for("Cancel the making of long-golden?", "h1")
    browser.check("a cancel's question")
    browser.picture("ask-cancel")
    browser.driver.find_element(By.CSS_SELECTOR, "button.grave").send_keys(Keys.ENTER)
    browser.waits_for("Accepted", "h1", 20)
    browser.open(f"images/{image}")
    browser.waits_for("CANCELLED", ".failure", 30)
    browser.waits_for("done, nothing is left", ".failure", 60)
    return image


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
        browser.log_out()
        browser.log_in("olga")
        browser.open("images?name=db-golden")
        browser.click("db-golden")
        browser.click("Delete…")
        browser.fill(name="not its name")
        assert "FAILED_PRECONDITION" in browser.text("#name-error")
        browser.fill(name="db-golden")
        assert "Accepted" in browser.text("h1"), browser.text()
        browser.driver.find_element(By.XPATH, "//dt[.='Image']/following-sibling::dd/a").click()
        assert "Delet" in browser.text("h1"), browser.text("h1")
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
