"""`python -m dashboards.grafana` writes the boards' JSON anew, beside this file."""

from dashboards.grafana.boards import FOLDER, write_all

if __name__ == "__main__":
    for path in write_all(FOLDER):
        print(path)
