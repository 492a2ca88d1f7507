"""``python monai_deploy_app -i INPUT -o OUTPUT [-m MODEL]``."""

from app import PlaneQualityApp

if __name__ == "__main__":
    PlaneQualityApp().run()
